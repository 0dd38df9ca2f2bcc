//! Parquet files: one row group after the other, and of each row only the columns that are named.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use ::parquet::basic::{Compression as Codec, ConvertedType, Type as PhysicalType};
use ::parquet::file::metadata::{ColumnChunkMetaData, FileMetaData, ParquetMetaData};
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::record::Field;
use ::parquet::schema::types::Type;
use serde_json::{Map, Value};

use super::objects::{ObjectColumns, object_row};
use crate::row::SourceRow;
use crate::spec::ColumnNames;
use crate::text::list;
use tinybert_base::{Error, Result};

/// The key of the file's metadata under which the library `datasets` describes the columns.
const DESCRIPTION: &str = "huggingface";

/// Hands every row to `each`. Rows are counted from 1, where text files have lines.
pub(super) fn parquet(
    path: &Path,
    columns: ObjectColumns,
    each: &mut dyn FnMut(SourceRow) -> Result<()>,
) -> Result<()> {
    let file = File::open(path).map_err(Error::io(path))?;
    let reader = SerializedFileReader::new(file).map_err(|error| damaged(path, error))?;
    let metadata = reader.metadata().file_metadata();
    let projection = projection(path, metadata.schema(), columns.names)?;
    check_types(path, &projection)?;
    check_codecs(path, reader.metadata(), &projection)?;
    let classes = columns.class_column().and_then(|name| class_names(metadata, name));
    let rows = reader.get_row_iter(Some(projection)).map_err(|error| damaged(path, error))?;
    for (index, row) in rows.enumerate() {
        let row_number = index + 1;
        let row = row.map_err(|error| {
            Error::line(
                path,
                row_number,
                format!("the Parquet data are damaged here ({error}); copy or download them again"),
            )
        })?;
        let mut object: Map<String, Value> =
            row.into_columns().into_iter().map(|(name, field)| (name, value(field))).collect();
        if let (Some(names), Some(name)) = (&classes, columns.class_column())
            && let Some(cell) = object.get_mut(name)
        {
            name_classes(cell, names)
                .map_err(|reason| Error::line(path, row_number, format!("{name:?} {reason}")))?;
        }
        each(object_row(path, row_number, &object, columns)?)?;
    }
    Ok(())
}

/// The names of the classes of the label column in their order, if the file describes them.
pub(super) fn described_classes(path: &Path, columns: ObjectColumns) -> Result<Option<Vec<String>>> {
    let file = File::open(path).map_err(Error::io(path))?;
    let reader = SerializedFileReader::new(file).map_err(|error| damaged(path, error))?;
    let metadata = reader.metadata().file_metadata();
    Ok(columns.class_column().and_then(|name| class_names(metadata, name)))
}

/// Makes sure that the columns have types that rows are made of: the reader stops the program at some others.
fn check_types(path: &Path, projection: &Type) -> Result<()> {
    for field in projection.get_fields() {
        if !is_known(field) {
            return Err(Error::input(
                path,
                format!(
                    "column {:?} holds {}; expected text, numbers, truth values, lists of them, or a struct of numbers",
                    field.name(),
                    describe(field)
                ),
            ));
        }
    }
    Ok(())
}

/// Whether the values of a type are text, numbers or truth values, or lists or structs of them.
fn is_known(field: &Type) -> bool {
    let basic = field.get_basic_info();
    match field {
        Type::PrimitiveType { physical_type, .. } => {
            use ConvertedType as C;
            let is_plain = matches!(
                basic.converted_type(),
                C::NONE
                    | C::UTF8
                    | C::ENUM
                    | C::JSON
                    | C::INT_8
                    | C::INT_16
                    | C::INT_32
                    | C::INT_64
                    | C::UINT_8
                    | C::UINT_16
                    | C::UINT_32
                    | C::UINT_64
            );
            is_plain && !matches!(physical_type, PhysicalType::INT96 | PhysicalType::FIXED_LEN_BYTE_ARRAY)
        }
        Type::GroupType { fields, .. } => match basic.converted_type() {
            ConvertedType::LIST => fields.len() == 1 && fields.iter().all(|field| is_known(field)),
            ConvertedType::NONE => !fields.is_empty() && fields.iter().all(|field| is_known(field)),
            _ => false,
        },
    }
}

fn describe(field: &Type) -> String {
    let converted = field.get_basic_info().converted_type();
    match field {
        Type::PrimitiveType { physical_type, .. } if converted == ConvertedType::NONE => {
            physical_type.to_string()
        }
        Type::GroupType { .. } if converted == ConvertedType::NONE => "a struct of other values".into(),
        _ => converted.to_string(),
    }
}

/// Makes sure that this program can unpack the columns.
fn check_codecs(path: &Path, metadata: &ParquetMetaData, projection: &Type) -> Result<()> {
    let is_read = |column: &ColumnChunkMetaData| {
        let root = column.column_path().parts().first();
        projection.get_fields().iter().any(|field| Some(field.name()) == root.map(String::as_str))
    };
    let chunks = metadata.row_groups().iter().flat_map(|group| group.columns());
    for chunk in chunks.filter(|chunk| is_read(chunk)) {
        let codec = chunk.compression();
        if !matches!(codec, Codec::UNCOMPRESSED | Codec::SNAPPY | Codec::GZIP(_) | Codec::ZSTD(_)) {
            return Err(Error::input(
                path,
                format!(
                    "it is compressed with {codec}, which this program does not read; write it again with zstd or snappy"
                ),
            ));
        }
    }
    Ok(())
}

fn damaged(path: &Path, error: impl std::fmt::Display) -> Error {
    Error::input(path, format!("not a complete Parquet file ({error}); copy or download it again"))
}

/// The schema of the columns that are read.
fn projection(path: &Path, schema: &Type, columns: &ColumnNames) -> Result<Type> {
    let all = schema.get_fields();
    // Beside soft labels there may be no labels.
    let is_there =
        |name: &&String| columns.soft_labels.is_none() || all.iter().any(|field| field.name() == *name);
    let label = columns.label.as_ref().filter(is_there);
    let wanted = [Some(&columns.text), columns.pair.as_ref(), label, columns.soft_labels.as_ref()];
    let mut fields: Vec<Arc<Type>> = Vec::new();
    for name in wanted.into_iter().flatten() {
        let Some(field) = all.iter().find(|field| field.name() == name) else {
            let names: Vec<&str> = all.iter().map(|field| field.name()).collect();
            return Err(Error::input(
                path,
                format!("there is no column {name:?}; the columns are {}", list(&names)),
            ));
        };
        if !fields.iter().any(|known| known.name() == name) {
            fields.push(Arc::clone(field));
        }
    }
    // The reader asks that the columns come in the order of the file.
    fields.sort_by_key(|field| all.iter().position(|known| known.name() == field.name()));
    Type::group_type_builder(schema.name()).with_fields(fields).build().map_err(|error| damaged(path, error))
}

/// The names of the classes of a column, if the file's description gives the column's labels as numbers of classes.
fn class_names(metadata: &FileMetaData, column: &str) -> Option<Vec<String>> {
    let description = metadata.key_value_metadata()?.iter().find(|entry| entry.key == DESCRIPTION)?;
    let description: Value = serde_json::from_str(description.value.as_deref()?).ok()?;
    let feature = &description["info"]["features"][column];
    // A list of labels is described by that of its elements.
    let element = if feature["feature"].is_object() { &feature["feature"] } else { feature };
    let names = element["names"].as_array()?;
    names.iter().map(|name| name.as_str().map(String::from)).collect()
}

/// Puts the names of classes in the place of their numbers. `Err` says what is wrong.
fn name_classes(cell: &mut Value, names: &[String]) -> std::result::Result<(), String> {
    if let Value::Array(cells) = cell {
        return cells.iter_mut().try_for_each(|cell| name_classes(cell, names));
    }
    let Some(class) = cell.as_i64() else { return Ok(()) };
    match usize::try_from(class).ok().and_then(|class| names.get(class)) {
        Some(name) => *cell = name.clone().into(),
        None => {
            let known = list(names);
            return Err(format!(
                "should be the number of one of the {} classes {known}, found {class}",
                names.len()
            ));
        }
    }
    Ok(())
}

/// A cell as JSON has it.
fn value(field: Field) -> Value {
    match field {
        Field::Null => Value::Null,
        Field::Bool(truth) => truth.into(),
        Field::Byte(number) => number.into(),
        Field::Short(number) => number.into(),
        Field::Int(number) => number.into(),
        Field::Long(number) => number.into(),
        Field::UByte(number) => number.into(),
        Field::UShort(number) => number.into(),
        Field::UInt(number) => number.into(),
        Field::ULong(number) => number.into(),
        Field::Float(number) => number.into(),
        Field::Double(number) => number.into(),
        Field::Str(text) => text.into(),
        Field::ListInternal(list) => list.elements().iter().cloned().map(value).collect(),
        // Every row of a struct has all of its fields; null stands for those that were not given.
        Field::Group(row) => {
            let fields = row.into_columns().into_iter().filter(|(_, field)| !matches!(field, Field::Null));
            fields.map(|(name, field)| (name, value(field))).collect()
        }
        // Some writers do not say that their bytes are text.
        Field::Bytes(bytes) => bytes.as_utf8().map_or(Value::Null, Value::from),
        // No reader takes these; messages show them.
        other => serde_json::json!({ "value": other.to_string() }),
    }
}
