//! The customer's button, really pressed: a pause that nobody in the cloud can
//! lift and no restart forgets, and a box that becomes as new.

use anyhow::ensure;

use crate::card::Card;
use crate::hardship;
use crate::machine::Machine;
use crate::provider::Provider;

/// What the console says at every start.
const STARTS: &str = "slot a: release 0.1.0 (version 1) for qemu-virt";
/// What the console says while sessions are paused.
const PAUSED: &str = "status: online, paused by the customer's button, key ";

/// S26, threat 25: one life of a card at the hands of its customer.
#[test]
fn a_customer_pauses_the_box_and_makes_it_as_new() -> anyhow::Result<()> {
    let built = crate::built()?;
    let provider = Provider::start()?;
    let card = Card::flash(&built, provider.home.join("card.img"))?;
    let settings = provider.settings()?;
    card.provision(&settings)?;
    // As the box writes it down.
    let owner = hardship::code_in(&settings)?.provider.to_string();
    let mut machine = Machine::boot(&card.path, &[])?;
    machine.boots(STARTS)?;
    let key = machine.online()?;
    machine.healthy()?;

    paused(&provider, &mut machine)?;
    as_new(&card, machine, &key, &owner)
}

/// A running session ends, no other begins, the portal's API tells why, and
/// after a restart it is still so; a second press lifts it.
fn paused(provider: &Provider, machine: &mut Machine) -> anyhow::Result<()> {
    let mut running = provider.lasting_session()?;
    machine.says("status: online, 1 sessions")?;
    machine.hand()?.press()?;
    machine.says("button: paused, no sessions until it is pressed again")?;
    ensure!(!running.wait()?.success(), "the session went on");
    provider.sees_health("customer_pause")?;
    let refused = provider
        .session()
        .map_or_else(|e| e.to_string(), |()| String::new());
    ensure!(
        refused.contains("the customer has paused remote access at the box"),
        "a session in a pause: {refused}"
    );

    machine.hand()?.reset()?;
    machine.boots(STARTS)?;
    machine.says(PAUSED)?;
    provider.sees_health("customer_pause")?;
    ensure!(provider.session().is_err(), "a restart lifted the pause");

    machine.hand()?.press()?;
    machine.says("button: sessions are allowed again")?;
    provider.sees_health("ok")?;
    provider.session()
}

/// Nothing of the old box is left: another key, no claim, no trace of its
/// provider on the data partition.
fn as_new(card: &Card, mut machine: Machine, key: &str, owner: &str) -> anyhow::Result<()> {
    ensure!(
        card.holds("data", owner)?,
        "the data does not tell the provider, so its absence would prove nothing"
    );
    let mut hand = machine.hand()?;
    hand.hold(|| machine.said("button: factory reset, everything is forgotten"))?;
    machine.boots("restart: factory reset")?;
    machine.says("the data is made anew")?;
    let new = machine.says("status: not claimed, key ")?;
    ensure!(
        new.len() == key.len() && new != key,
        "the key is still {new}"
    );
    machine.never_since("status: online")?;
    machine.cut();
    ensure!(
        !card.holds("data", owner)?,
        "the data tells the provider still"
    );
    Ok(())
}
