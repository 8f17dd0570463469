//! Every way a chain can be tampered with shows, by the number of its row.

use culvert_wire::key::SigningKey;

use super::*;

fn broker() -> SigningKey {
    SigningKey::from_seed(&[1; 32])
}

fn rows(count: u64) -> (Vec<(Entry, Hash)>, Head) {
    let mut previous = Hash::START;
    let rows: Vec<_> = (1..=count)
        .map(|seq| {
            let entry = Entry {
                chain: Chain::Provider,
                seq,
                at: UnixMs(seq * 10),
                actor: "a".into(),
                actor_name: "Ann".into(),
                source: "192.0.2.1".into(),
                action: "user.add".into(),
                object: format!("user {seq}"),
                outcome: "done".into(),
                before: String::new(),
                after: "{}".into(),
            };
            previous = entry.hash(previous);
            (entry, previous)
        })
        .collect();
    let head = Head::sign(Chain::Provider, count, UnixMs(1), previous, &broker());
    (rows, head)
}

fn verify(rows: &[(Entry, Hash)], heads: Vec<Head>) -> Result<u64, Fault> {
    let mut verifier = Verifier::new(Chain::Provider, heads);
    for (entry, hash) in rows {
        verifier.row(entry, *hash)?;
    }
    verifier.finish(&[broker().public()])
}

#[test]
fn a_whole_chain_verifies() {
    let (rows, head) = rows(5);

    assert_eq!(verify(&rows, vec![head]), Ok(5));
    assert_eq!(verify(&[], vec![]), Ok(0));
}

#[test]
fn a_head_comes_back_from_its_line() {
    let (_, head) = rows(3);

    assert_eq!(head.to_string().parse(), Ok(head));
}

#[test]
fn an_altered_byte_in_any_field_names_its_row() {
    let (good, head) = rows(3);
    let alter: [fn(&mut Entry); 9] = [
        |e| e.at.0 += 1,
        |e| e.actor.push('x'),
        |e| e.actor_name = "Bob".into(),
        |e| e.source.clear(),
        |e| e.action = "user.del".into(),
        |e| e.object.push('0'),
        |e| e.outcome = "not_found".into(),
        |e| e.before = "{}".into(),
        |e| e.after.clear(),
    ];
    for alter in alter {
        let mut rows = good.clone();
        alter(&mut rows[1].0);

        let fault = verify(&rows, vec![head.clone()]).unwrap_err();

        let chain = Chain::Provider;
        assert_eq!(fault, Fault::Changed { chain, seq: 2 });
    }
}

#[test]
fn a_row_altered_together_with_all_later_hashes_breaks_at_the_head() {
    let (mut rows, head) = rows(3);
    rows[1].0.object = "somebody else".into();
    let mut previous = rows[0].1;
    for (entry, hash) in &mut rows[1..] {
        previous = entry.hash(previous);
        *hash = previous;
    }

    let fault = verify(&rows, vec![head]).unwrap_err();

    let chain = Chain::Provider;
    assert_eq!(fault, Fault::Changed { chain, seq: 3 });
}

#[test]
fn swapped_and_missing_rows_name_the_first_wrong_number() {
    let (good, head) = rows(4);
    let chain = Chain::Provider;
    let mut swapped = good.clone();
    swapped.swap(1, 2);
    let mut gap = good.clone();
    gap.remove(2);

    assert_eq!(
        verify(&swapped, vec![head.clone()]).unwrap_err(),
        Fault::Missing { chain, seq: 2 }
    );
    assert_eq!(
        verify(&gap, vec![head]).unwrap_err(),
        Fault::Missing { chain, seq: 3 }
    );
}

#[test]
fn a_dropped_tail_shows_against_a_head_kept_elsewhere() {
    let (whole, kept) = rows(5);
    let (short, own) = rows(3);
    let chain = Chain::Provider;

    assert_eq!(verify(&short, vec![own.clone()]), Ok(3));
    assert_eq!(
        verify(&short, vec![own, kept.clone()]).unwrap_err(),
        Fault::Dropped {
            chain,
            from: 4,
            to: 5
        }
    );
    assert_eq!(
        verify(&whole[..4], vec![kept]).unwrap_err(),
        Fault::Dropped {
            chain,
            from: 5,
            to: 5
        }
    );
}

#[test]
fn rows_beyond_the_head_and_foreign_heads_are_found() {
    let (rows5, _) = rows(5);
    let (_, head3) = rows(3);
    let chain = Chain::Provider;
    let mut forged = rows(5).1;
    forged.signer = SigningKey::from_seed(&[2; 32]).public();

    assert_eq!(
        verify(&rows5, vec![head3]).unwrap_err(),
        Fault::Unsigned { chain, seq: 4 }
    );
    assert_eq!(
        verify(&rows5, vec![forged]).unwrap_err(),
        Fault::Head { chain }
    );
    assert_eq!(verify(&rows5, vec![]).unwrap_err(), Fault::NoHead { chain });
}
