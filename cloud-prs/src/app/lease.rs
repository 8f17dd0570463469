//! The lease rule: notices two boxes that use one identity.
//!
//! At each hello the server hands out a random lease, which the box stores and
//! acknowledges. The last acknowledged and the last unacknowledged lease are
//! good; links of one boot share one. An older lease from another boot is the
//! mark of a copied box.
//!
//! A server that was restored from a backup, and one whose administrator has
//! released a box, knows no lease of it: what the box shows then is on its disk
//! and counts as acknowledged. Two boxes that race for it are found as always.
//!
//! Pure: the new lease is drawn by the caller. Driven by `app::admission`,
//! `app::claims` and `app::heard`.

use culvert_wire::id::{BootId, Lease};

use crate::store::gateways::Leases;

/// What a hello means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hello {
    /// The box may hold this lease; the memory is as given.
    Known {
        /// The lease to hand out.
        lease: Lease,
        /// The memory to keep.
        leases: Leases,
    },
    /// Two boxes use one identity.
    Clone,
}

/// Judges a hello.
pub fn judge(leases: Leases, boot: BootId, shown: Option<Lease>, fresh: Lease) -> Hello {
    let Leases {
        acknowledged,
        pending,
        ..
    } = leases;
    if leases.boot == Some(boot)
        && let Some(lease) = pending.or(acknowledged)
    {
        return Hello::Known { lease, leases };
    }
    let acknowledged = match shown {
        // Released, or restored from a backup: whoever comes first has it. Its
        // lease is on its disk, and is shown again if the new one gets lost.
        Some(lease) if leases == Leases::default() => Some(lease),
        // It was stored, only the acknowledgement got lost.
        Some(lease) if Some(lease) == pending => pending,
        Some(lease) if Some(lease) == acknowledged => acknowledged,
        // Nothing was acknowledged so far: the first lease got lost.
        None if acknowledged.is_none() => None,
        Some(_) | None => return Hello::Clone,
    };
    Hello::Known {
        lease: fresh,
        leases: Leases {
            boot: Some(boot),
            acknowledged,
            pending: Some(fresh),
        },
    }
}

/// Notes that a lease is on the box's disk.
pub fn stored(mut leases: Leases, lease: Lease) -> Leases {
    if leases.pending == Some(lease) {
        leases.acknowledged = Some(lease);
        leases.pending = None;
    }
    leases
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(n: u8) -> Lease {
        Lease::from_random([n; 16])
    }

    fn boot(n: u8) -> BootId {
        BootId::from_random([n; 16])
    }

    fn hello(leases: Leases, boot_n: u8, shown: Option<u8>, fresh: u8) -> Option<(Lease, Leases)> {
        match judge(leases, boot(boot_n), shown.map(lease), lease(fresh)) {
            Hello::Known { lease, leases } => Some((lease, leases)),
            Hello::Clone => None,
        }
    }

    #[test]
    fn a_box_that_stores_its_leases_is_never_a_clone() {
        let mut leases = Leases::default();
        let mut shown = None;
        for n in 1..20 {
            let (given, kept) = hello(leases, n, shown, 100 + n).unwrap();
            leases = stored(kept, given);
            shown = Some(100 + n);
        }
    }

    #[test]
    fn a_power_cut_before_storing_or_before_acknowledging_is_no_clone() {
        let (given, kept) = hello(Leases::default(), 1, None, 1).unwrap();
        let kept = stored(kept, given);
        // Handed out 2; whether or not it reached the disk, the box comes back.
        let (_, kept) = hello(kept, 2, Some(1), 2).unwrap();

        assert!(hello(kept, 3, Some(1), 3).is_some());
        assert!(hello(kept, 3, Some(2), 3).is_some());
    }

    #[test]
    fn a_first_lease_that_got_lost_is_no_clone() {
        let (_, kept) = hello(Leases::default(), 1, None, 1).unwrap();

        assert!(hello(kept, 2, None, 2).is_some());
    }

    #[test]
    fn after_a_release_whichever_box_comes_first_is_taken() {
        assert!(hello(Leases::default(), 5, Some(9), 1).is_some());
    }

    /// The new lease was lost on its way, or with the box's power.
    #[test]
    fn a_released_or_restored_box_whose_new_lease_gets_lost_is_no_clone() {
        let (_, kept) = hello(Leases::default(), 5, Some(9), 1).unwrap();

        let (given, kept) = hello(kept, 6, Some(9), 2).unwrap();

        // What it has stored is all that counts from then on.
        let kept = stored(kept, given);
        assert_eq!(hello(kept, 7, Some(9), 3), None);
        assert!(hello(kept, 7, Some(2), 3).is_some());
    }

    /// Threat 9: card and copy both show the lease of before the backup.
    #[test]
    fn two_boxes_that_race_for_a_restored_server_are_found() {
        let (one, kept) = hello(Leases::default(), 5, Some(9), 1).unwrap();

        assert_eq!(hello(stored(kept, one), 6, Some(9), 2), None);
        // The second came before the first had stored anything: the first, then.
        let (two, kept) = hello(kept, 6, Some(9), 2).unwrap();
        assert_eq!(hello(stored(kept, two), 5, Some(1), 3), None);
    }

    #[test]
    fn links_of_one_boot_share_a_lease() {
        let (first, kept) = hello(Leases::default(), 1, None, 1).unwrap();

        let (second, again) = hello(kept, 1, None, 2).unwrap();

        assert_eq!(first, second);
        assert_eq!(kept, again);
    }

    /// Threat 9: a copied card runs beside the box it was copied from.
    #[test]
    fn a_copied_box_is_found_when_the_second_one_comes() {
        let (one, kept) = hello(Leases::default(), 1, None, 1).unwrap();
        let kept = stored(kept, one);
        // The copy carries lease 1 and starts: it gets lease 2.
        let (two, kept) = hello(kept, 2, Some(1), 2).unwrap();
        let kept = stored(kept, two);

        // The original still has lease 1, from its own boot.
        assert_eq!(hello(kept, 1, Some(1), 3), None);
        // A copy without any lease is found as well.
        assert_eq!(hello(kept, 3, None, 3), None);
    }
}
