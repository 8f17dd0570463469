//! The 32-bit box: the same programs for another processor, booted from its own
//! image.

use crate::card::Card;
use crate::machine::Machine;
use crate::provider::Provider;

/// S26: the 32-bit root boots, finds the server by its name (with the static C
/// library's resolver), claims itself and carries a session.
#[test]
#[ignore = "./check --long"]
fn a_box_with_32_bits_comes_online() -> anyhow::Result<()> {
    let provider = Provider::start()?;
    let image = crate::built()?.join("culvert-qemu-virt32-1.img");
    let card = Card::copy(&image, provider.home.join("card32.img"))?;
    card.provision(&provider.settings()?)?;
    let mut machine = Machine::boot_32_bits(&card.path)?;
    machine.boots("slot a: release 0.1.0 (version 1) for qemu-virt32")?;
    let key = machine.online()?;
    machine.healthy()?;
    let told = provider.sees_the_box(true)?;
    anyhow::ensure!(told == key, "the API tells {told}, the console {key}");
    provider.session()
}
