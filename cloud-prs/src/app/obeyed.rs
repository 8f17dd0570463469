//! Which number of obeyed orders a box is believed. Pure: no database here.
//!
//! A restored database has forgotten orders that boxes obeyed since its copy
//! was made, and a box ignores every order whose number it has passed: so the
//! server counts on from what the box says. But the number is foreign: a box
//! that could lift it to the end of its range would be given no order any more,
//! and neither would anybody whose other sessions end in the same transaction.

use crate::store::gateways::MOST_ORDERS;

/// Orders that a restored database may lack at most: a gateway has been given
/// ten a second for thirteen years.
const LEAP: u64 = 1 << 32;

/// The number to count on from; none when no server can have given the box so
/// many orders.
pub(super) const fn believed(known: u64, said: u64) -> Option<u64> {
    if said > MOST_ORDERS || said > known.saturating_add(LEAP) {
        return None;
    }
    Some(if said > known { said } else { known })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_restore_forgot_is_believed_and_nonsense_is_not() {
        assert_eq!(believed(0, 0), Some(0));
        assert_eq!(believed(3, 41), Some(41), "after a restore");
        assert_eq!(believed(41, 3), Some(41), "not obeyed yet");
        assert_eq!(believed(5, 5 + LEAP), Some(5 + LEAP));
        assert_eq!(believed(5, 6 + LEAP), None);
        for absurd in [u64::MAX, u64::MAX - 1, 1 << 63, i64::MAX as u64] {
            for known in [0, 41, MOST_ORDERS, i64::MAX as u64, u64::MAX] {
                assert_eq!(believed(known, absurd), None, "{absurd} after {known}");
            }
        }
    }

    /// In many steps nobody gets where the numbers end.
    #[test]
    fn many_leaps_end_far_below_what_a_column_holds() {
        let mut known = MOST_ORDERS - 3 * LEAP;
        while let Some(next) = believed(known, known + LEAP) {
            known = next;
        }
        assert!(known <= MOST_ORDERS && MOST_ORDERS < i64::MAX as u64 / 512);
    }
}
