//! Parquet files: one row group after the other, and of each row only the columns that are named.

use std::collections::HashSet;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use ::parquet::basic::{Compression as Codec, ConvertedType, LogicalType, Repetition, Type as PhysicalType};
use ::parquet::errors::{ParquetError, Result as ParquetResult};
use ::parquet::file::metadata::{ColumnChunkMetaData, FileMetaData, ParquetMetaData};
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::record::Field;
use ::parquet::schema::types::Type;
use serde_json::{Map, Value};

use super::objects::{ObjectColumns, object_row};
use crate::row::{SourceRow, check_label};
use crate::spec::ColumnNames;
use crate::text::list;
use tinybert_base::{Error, Result, foreign_panic};

/// The key of the file's metadata under which the library `datasets` describes the columns.
const DESCRIPTION: &str = "huggingface";

/// The number that the Hub's test splits without labels have in the place of that of a class.
const NO_CLASS: i64 = -1;

/// Hands every row to `each`. Rows are counted from 1, where text files have lines.
pub(super) fn parquet(
    path: &Path,
    columns: ObjectColumns,
    each: &mut dyn FnMut(SourceRow) -> Result<()>,
) -> Result<()> {
    let reader = open(path)?;
    let metadata = reader.metadata().file_metadata();
    let projection = projection(path, metadata.schema(), columns.names)?;
    check_types(path, &projection)?;
    check_codecs(path, reader.metadata(), &projection)?;
    let classes = class_names(path, metadata, columns)?;
    let mut rows =
        unless_it_panics(|| reader.get_row_iter(Some(projection))).map_err(|error| damaged(path, error))?;
    for row_number in 1.. {
        let row = unless_it_panics(|| rows.next().transpose()).map_err(|error| {
            Error::line(
                path,
                row_number,
                format!("the Parquet data are damaged here ({error}); copy or download them again"),
            )
        })?;
        let Some(row) = row else { break };
        let mut object: Map<String, Value> =
            row.into_columns().into_iter().map(|(name, field)| (name, json(field))).collect();
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
    class_names(path, open(path)?.metadata().file_metadata(), columns)
}

/// Opens a file and reads its metadata.
fn open(path: &Path) -> Result<SerializedFileReader<File>> {
    let file = File::open(path).map_err(Error::io(path))?;
    unless_it_panics(|| SerializedFileReader::new(file)).map_err(|error| damaged(path, error))
}

/// Calls the library, which panics at some damages.
fn unless_it_panics<T>(read: impl FnOnce() -> ParquetResult<T>) -> ParquetResult<T> {
    let found = foreign_panic::caught(read);
    found.unwrap_or_else(|| Err(ParquetError::General("it contradicts itself".into())))
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
            // Times in nanoseconds have no converted type.
            let is_time = matches!(
                basic.logical_type_ref(),
                Some(LogicalType::Time { .. } | LogicalType::Timestamp { .. })
            );
            is_plain
                && !is_time
                && !matches!(physical_type, PhysicalType::INT96 | PhysicalType::FIXED_LEN_BYTE_ARRAY)
        }
        Type::GroupType { fields, .. } => match basic.converted_type() {
            ConvertedType::LIST => match &fields[..] {
                [elements] => {
                    elements.get_basic_info().repetition() == Repetition::REPEATED && is_known(elements)
                }
                _ => false,
            },
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

/// The names of the classes of the label column, if the file's description gives its labels as numbers of classes.
fn class_names(path: &Path, metadata: &FileMetaData, columns: ObjectColumns) -> Result<Option<Vec<String>>> {
    let Some(column) = columns.class_column() else { return Ok(None) };
    let mut entries = metadata.key_value_metadata().into_iter().flatten();
    let description = entries.find(|entry| entry.key == DESCRIPTION).and_then(|entry| entry.value.as_deref());
    let description: Value =
        description.and_then(|description| serde_json::from_str(description).ok()).unwrap_or_default();
    let Some(names) = described_names(&description["info"]["features"][column]) else { return Ok(None) };
    for name in &names {
        check_label(name).map_err(|reason| Error::input(path, format!("{column:?}: {reason}")))?;
    }
    let mut seen = HashSet::new();
    match names.iter().find(|name| name.is_empty() || !seen.insert(*name)) {
        Some(name) => Err(Error::input(
            path,
            format!(
                "the description of {column:?} has the class {name:?} twice or without a name; rename the classes"
            ),
        )),
        None => Ok(Some(names)),
    }
}

/// The names of the classes that the description of a column has.
fn described_names(feature: &Value) -> Option<Vec<String>> {
    // A list of labels is described by that of its elements: as an object, or as a JSON list with one entry.
    let element = match feature {
        Value::Array(elements) => elements.first()?,
        _ if feature["feature"].is_object() => &feature["feature"],
        _ => feature,
    };
    let names = element["names"].as_array()?;
    names.iter().map(|name| name.as_str().map(String::from)).collect()
}

/// Puts the names of classes in the place of their numbers. `Err` says what is wrong.
fn name_classes(cell: &mut Value, names: &[String]) -> std::result::Result<(), String> {
    if let Value::Array(cells) = cell {
        return cells.iter_mut().try_for_each(|cell| name_classes(cell, names));
    }
    let Some(class) = cell.as_i64() else { return Ok(()) };
    if class == NO_CLASS {
        return Err("is -1, which says that the row has no label; take the file of another split".into());
    }
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
fn json(field: Field) -> Value {
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
        Field::ListInternal(list) => list.elements().iter().cloned().map(json).collect(),
        // Every row of a struct has all of its fields; null stands for those that were not given.
        Field::Group(row) => {
            let fields = row.into_columns().into_iter().filter(|(_, field)| !matches!(field, Field::Null));
            fields.map(|(name, field)| (name, json(field))).collect()
        }
        // Some writers do not say that their bytes are text. Where they are none, no reader takes this value.
        Field::Bytes(bytes) => match bytes.as_utf8() {
            Ok(text) => text.into(),
            Err(_) => serde_json::json!({ "bytes that are not UTF-8": bytes.len() }),
        },
        // No reader takes these; messages show them.
        other => serde_json::json!({ "value": other.to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::parquet::schema::parser::parse_message_type;

    fn schema(column: &str) -> Type {
        parse_message_type(&format!("message rows {{ {column} }}")).expect("the schema is valid")
    }

    #[test]
    fn columns_that_the_reader_cannot_read_are_refused_by_type() {
        let known = |column: &str| schema(column).get_fields().iter().all(|field| is_known(field));
        assert!(known(
            "optional group tags (LIST) { repeated group list { optional binary element (UTF8); } }"
        ));
        assert!(known("optional group tags (LIST) { repeated binary array (UTF8); }"));
        assert!(!known("optional group tags (LIST) { required binary element (UTF8); }"));
        assert!(!known("optional group tags (LIST) { optional group list { optional int32 element; } }"));
        assert!(known("required int64 n;") && known("required binary text;"));
        assert!(!known("required int64 t (TIMESTAMP(NANOS,true));"));
        assert!(
            !known("required int64 t (TIMESTAMP(MILLIS,true));")
                && !known("required int64 t (TIME(NANOS,true));")
        );
    }

    /// The forms in which `datasets` writes features: `Features.to_dict` of `ClassLabel`, `Sequence(ClassLabel)` and
    /// `[ClassLabel]`.
    #[test]
    fn the_names_of_classes_are_found_in_every_form_of_a_description() {
        let class = serde_json::json!({ "names": ["no", "yes"], "_type": "ClassLabel" });
        for feature in [
            class.clone(),
            serde_json::json!({ "feature": class, "_type": "Sequence" }),
            serde_json::json!([class]),
        ] {
            assert_eq!(described_names(&feature), Some(vec!["no".into(), "yes".into()]), "{feature}");
        }
        for feature in
            [serde_json::json!({ "dtype": "string", "_type": "Value" }), serde_json::json!([]), Value::Null]
        {
            assert_eq!(described_names(&feature), None, "{feature}");
        }
    }
}
