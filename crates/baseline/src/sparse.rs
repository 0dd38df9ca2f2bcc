//! Sparse matrices.

/// Columns and values of a row, in ascending order of the columns.
pub type Row = Vec<(u32, f32)>;

/// A sparse matrix by rows (CSR). The transpose of a matrix by rows is the same matrix by columns.
pub struct Sparse {
    /// Where each row begins in `entries`, and where the last one ends.
    starts: Vec<usize>,
    /// Column and value, row after row.
    entries: Vec<(u32, f32)>,
}

impl Sparse {
    /// The matrix of these rows.
    pub fn of_rows(rows: &[Row]) -> Self {
        let mut starts = vec![0];
        starts.extend(rows.iter().scan(0, |end, row| {
            *end += row.len();
            Some(*end)
        }));
        Self { starts, entries: rows.concat() }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.starts.len() - 1
    }

    /// Columns and values of a row.
    pub fn row(&self, row: usize) -> &[(u32, f32)] {
        &self.entries[self.starts[row]..self.starts[row + 1]]
    }

    /// The transpose of a matrix with `columns` columns. Each of its rows is in ascending order.
    pub fn transposed(&self, columns: usize) -> Self {
        let mut starts = vec![0; columns + 1];
        self.entries.iter().for_each(|&(column, _)| starts[column as usize + 1] += 1);
        (0..columns).for_each(|column| starts[column + 1] += starts[column]);
        let mut next = starts.clone();
        let mut entries = vec![(0, 0.0); self.entries.len()];
        for row in 0..self.rows() {
            for &(column, value) in self.row(row) {
                entries[next[column as usize]] = (row as u32, value);
                next[column as usize] += 1;
            }
        }
        Self { starts, entries }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transpose_has_rows_as_columns() {
        let matrix = Sparse::of_rows(&[vec![(2, 1.0), (0, 2.0)], vec![], vec![(2, 3.0)]]);
        let transposed = matrix.transposed(4);
        let rows: Vec<_> = (0..transposed.rows()).map(|row| transposed.row(row).to_vec()).collect();
        assert_eq!(rows, [vec![(0, 2.0)], vec![], vec![(0, 1.0), (2, 3.0)], vec![]]);
        assert_eq!(matrix.rows(), 3);
    }
}
