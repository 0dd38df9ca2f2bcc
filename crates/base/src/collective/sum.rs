//! Sums over ranks in a fixed order.

use super::Collective;
use crate::Result;

/// Values that are summed at once: little memory beside them, and few messages.
const PIECE: usize = 1 << 20;

/// Replaces `values` on every rank by their sum over all ranks, added in the order of the ranks: `v₀ + v₁ +
/// v₂ + …` for each element, in f32. Every rank gets the same bits, and every run with as many ranks gets
/// them again.
///
/// Each rank adds its share of a piece and gathers the others' (reduce-scatter and all-gather): 2·n values
/// are sent and received per rank, however many ranks there are.
///
/// # Errors
/// [`crate::Error::Ranks`] if a rank is lost.
pub fn sum(ranks: &dyn Collective, values: &mut [f32]) -> Result<()> {
    let size = ranks.size();
    if size == 1 {
        return Ok(());
    }
    let (mut send, mut received) = (Vec::new(), Vec::new());
    for piece in values.chunks_mut(PIECE) {
        let share = piece.len().div_ceil(size);
        // The last piece is filled up to a whole number of parts. The sums of the filling are not used.
        send.clear();
        send.extend_from_slice(piece);
        send.resize(share * size, 0.0);
        received.resize(share * size, 0.0);
        ranks.exchange(&send, &mut received)?;
        let (sum, others) = received.split_at_mut(share);
        for other in others.chunks_exact(share) {
            for (sum, value) in sum.iter_mut().zip(other) {
                *sum += value;
            }
        }
        ranks.gather(sum, &mut send)?;
        piece.copy_from_slice(&send[..piece.len()]);
    }
    Ok(())
}
