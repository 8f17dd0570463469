//! Whether the judgement of cuts would see a mistake: two supervisors that keep their
//! state record badly, as `image/boot-test` builds them, live through two updates.

use crate::card::Card;
use crate::cuts::{self, Life};
use crate::provider::Provider;
use crate::sabotage::Release;

/// P6, P7: a record that is written and not synced.
#[test]
fn a_record_that_is_not_synced_is_seen() -> anyhow::Result<()> {
    println!("{}", seen("unsynced")?);
    Ok(())
}

/// P6, P7: a record whose newer copy is overwritten.
#[test]
fn a_record_that_is_written_in_place_is_seen() -> anyhow::Result<()> {
    println!("{}", seen("in-place")?);
    Ok(())
}

fn seen(mutant: &str) -> anyhow::Result<String> {
    let built = crate::built()?.join(mutant);
    let provider = Provider::start()?;
    let card = Card::flash(&built, provider.home.join("card.img"))?;
    card.provision(&provider.settings()?)?;
    card.lengthen_records()?;
    let release = Release::read(&built.join("culvert-qemu-virt-1.bundle"), &provider.home)?;
    card.put_bundle(&release.version(2)?)?;
    let life = Life::record(&card, "life", 1)?;
    let mut machine = life.boot(&[])?;
    let key = machine.online()?;
    crate::updated_by_hand(&provider, &mut machine, &key)?;
    crate::updated_by_the_server(&provider, &mut machine, &release, &key)?;
    machine.cut();
    cuts::seen(mutant, life, &card, &key)
}
