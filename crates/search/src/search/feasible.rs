//! Whether a budget can be met, and what could be met otherwise.

use super::result::SearchCandidate;
use crate::cost::{DeviceBudget, Limit};
use tinybert_base::{Error, Result};

/// Makes sure that at least one candidate keeps within the budget. `reuse_options` are options that give the models
/// trained so far to another run.
///
/// # Errors
/// [`Error::Usage`] with the limits that cannot be met and the nearest model.
pub(super) fn check_budget(
    all: &[SearchCandidate],
    budget: &DeviceBudget,
    reuse_options: &str,
) -> Result<()> {
    if all.iter().any(|candidate| budget.exceeded(&candidate.cost).is_empty()) {
        return Ok(());
    }
    let ratio = |candidate: &&SearchCandidate| budget.worst_ratio(&candidate.cost);
    let nearest = all.iter().min_by(|a, b| ratio(a).total_cmp(&ratio(b)));
    let Some(nearest) = nearest else { return Err(Error::Usage("there is nothing to search".into())) };
    let mut lines = vec!["no model that can be made of this student keeps within the budget".to_owned()];
    for limit in Limit::ALL {
        let Some(most) = budget.limit(limit) else { continue };
        let least = all.iter().map(|candidate| limit.value(&candidate.cost)).fold(f64::INFINITY, f64::min);
        let verdict = match (least > most, limit.value(&nearest.cost) > most) {
            (true, _) => "cannot be met",
            (false, true) => "can be met, but not together with the others",
            (false, false) => "can be met",
        };
        lines.push(format!(
            "  {} {verdict}: it allows {}, the least is {}",
            limit.option(),
            limit.describe(most),
            limit.describe(least)
        ));
    }
    let cost = Limit::ALL.map(|limit| limit.describe(limit.value(&nearest.cost))).join(", ");
    lines.push(format!("  nearest: {}, with {cost}", nearest.name));
    lines.push(
        "allow as much and give --resume, which goes on from here with another budget or --board;".into(),
    );
    lines.push("or give a smaller --student (fewer layers, a smaller hidden size) and another --out".into());
    if !reuse_options.is_empty() {
        lines.push(format!("what was trained is kept, for another --out as well:{reuse_options}"));
    }
    Err(Error::Usage(lines.join("\n")))
}

/// Makes sure that each limit by itself can be met by one of the candidates, which are those of an untrained student.
///
/// # Errors
/// [`Error::Usage`] with the limits that cannot be met, and the least that the limited value can be.
pub(crate) fn check_each_limit(all: &[SearchCandidate], budget: &DeviceBudget) -> Result<()> {
    let mut lines = Vec::new();
    for limit in Limit::ALL {
        let value = |candidate: &&SearchCandidate| limit.value(&candidate.cost);
        let least = all.iter().min_by(|a, b| value(a).total_cmp(&value(b)));
        let (Some(most), Some(least)) = (budget.limit(limit), least) else { continue };
        if value(&least) > most {
            lines.push(format!(
                "\n  {} cannot be met: it allows {}, the least is {}: {}",
                limit.option(),
                limit.describe(most),
                limit.describe(value(&least)),
                least.name
            ));
        }
    }
    if lines.is_empty() {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "no model that can be made of a student of these sizes keeps within the budget, so that nothing was trained:{}\n\
         allow more, or give a smaller student: --layers, --hidden and --ffn of a new one, or --student",
        lines.concat()
    )))
}
