//! The 32-bit box: the same programs for another processor, booted from its own
//! image.

use crate::card::Card;
use crate::hardship;
use crate::machine::Machine;
use crate::provider::Provider;

/// What the console says at every start.
const STARTS: &str = "slot a: release 0.1.0 (version 1) for qemu-virt32";

/// S26: the 32-bit root boots, finds the server by its name (with the static C
/// library's resolver), claims itself and carries a session. Before that its
/// code is of another provider, afterwards it is used up: both are told.
#[test]
fn a_box_with_32_bits_comes_online_with_a_code_that_is_good() -> anyhow::Result<()> {
    let provider = Provider::start()?;
    let image = crate::built()?.join("culvert-qemu-virt32-1.img");
    let card = Card::copy(&image, provider.home.join("card32.img"))?;
    let good = provider.settings()?;
    card.provision(&hardship::of_another_provider(&good)?)?;
    hardship::foreign_code(&mut starts(&card)?)?;

    card.provision(&good)?;
    let mut machine = starts(&card)?;
    let key = machine.online()?;
    machine.healthy()?;
    let told = provider.sees_the_box(true)?;
    anyhow::ensure!(told == key, "the API tells {told}, the console {key}");
    provider.session()?;
    machine.cut();

    card.zero("data", 1 << 20)?;
    card.provision(&good)?;
    let mut machine = starts(&card)?;
    machine.says("the data is made anew")?;
    hardship::used_code(&mut machine)
}

fn starts(card: &Card) -> anyhow::Result<Machine> {
    let mut machine = Machine::boot_32_bits(&card.path)?;
    machine.boots(STARTS)?;
    Ok(machine)
}
