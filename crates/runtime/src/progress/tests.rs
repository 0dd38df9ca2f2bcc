//! The parts of grids.

extern crate std;

use std::vec;
use std::vec::Vec;

use super::*;

/// All parts of a grid, with the number of steps.
fn parts(grid: Grid, budget: usize) -> (Vec<Part>, usize) {
    let mut progress = Progress { stage: Stage::Up, ..Progress::START };
    let (mut parts, mut steps) = (Vec::new(), 0);
    while progress.stage == Stage::Up {
        progress = progress.with_budget(budget);
        let mut spent = 0;
        let begun = parts.len();
        let work = |part: Part| {
            spent += grid.cost_of(part.rows.len(), part.columns.len());
            parts.push(part);
            Ok::<(), ()>(())
        };
        progress.work(Stage::Up, grid, work).unwrap();
        assert!(spent <= budget || parts.len() == begun + 1, "only a single part may cost more: {spent}");
        assert!(spent > 0, "every step computes something");
        steps += 1;
    }
    (parts, steps)
}

#[test]
fn parts_cover_a_grid_once_and_columns_ascend_in_every_row() {
    for (rows, columns, unit) in [(1, 1, 1), (8, 16, 16), (9, 17, 16), (64, 288, 48), (3, 100, 7), (20, 5, 8)]
    {
        for cost in [1, 96] {
            let grid = Grid { rows, columns, unit, cost, own: rows };
            let all = rows * columns * cost;
            for budget in
                [0, 1, cost * unit * 8, cost * unit * 11, all / 3, all / 2, all - 1, all, usize::MAX]
            {
                let (parts, steps) = parts(grid, budget);
                let mut next = vec![0; rows];
                for Part { rows, columns } in parts {
                    assert!(rows.start % ROW_BLOCK == 0 && columns.start % unit == 0);
                    for row in rows {
                        assert_eq!(next[row], columns.start, "{grid:?} {budget}");
                        next[row] = columns.end;
                    }
                }
                assert_eq!(next, vec![columns; rows]);
                assert!(budget < all || steps == 1);
            }
        }
    }
}

#[test]
fn an_empty_grid_is_done_at_once() {
    for (rows, columns) in [(0, 5), (5, 0)] {
        assert_eq!(parts_of_empty(rows, columns), Stage::Up.next());
    }
}

fn parts_of_empty(rows: usize, columns: usize) -> Stage {
    let mut progress = Progress { stage: Stage::Up, ..Progress::START };
    let grid = Grid { rows, columns, unit: 1, cost: 1, own: rows };
    progress.work(Stage::Up, grid, |_| Err(())).unwrap();
    progress.stage
}
