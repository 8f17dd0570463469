//! Boxes from a shelf: cards that one list made, each with a claim code of its
//! own, none with a site yet.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use culvert_e2e::world::{eventually, must_work};

use crate::card::Card;
use crate::hardship::code_in;
use crate::machine::{HANGS, Machine};
use crate::provider::{Provider, SITE};

/// Two cards of a batch, with the short codes of their labels.
pub(crate) fn cards(provider: &Provider, built: &Path) -> anyhow::Result<[(Card, String); 2]> {
    let (list, out) = (provider.home.join("boxes.csv"), provider.home.join("cards"));
    let file = list.to_str().context("a path in words")?;
    provider.did(&["gateway", "code", "--count", "2", "--out", file])?;
    let first = Card::flash(built, provider.home.join("of-the-batch.img"))?;
    let mut batch = Command::new(&first.tool);
    batch.arg("provision").arg(&first.path).arg("--batch");
    batch.arg(&list).arg("--out").arg(&out);
    must_work(&mut batch)?;
    let text = std::fs::read_to_string(&list)?;
    let sheet = std::fs::read_to_string(out.join("labels.html"))?;
    let labels: Vec<&str> = text
        .lines()
        .skip(1)
        .filter_map(|line| line.split(',').next())
        .collect();
    let [one, other] = labels[..] else {
        anyhow::bail!("the list has {} boxes", labels.len());
    };
    for label in [one, other] {
        ensure!(sheet.contains(label), "no label says {label}");
    }
    Ok([one, other].map(|label| {
        let path = out.join(format!("{label}.img"));
        (first.at(path), label.to_owned())
    }))
}

/// S26, S2: the first card's box claims itself with its own code, which goes from
/// its card and from no other; it is online without a site, known by its label,
/// good for nothing until somebody gives it a site.
pub(crate) fn claimed(
    provider: &Provider,
    [(card, label), (other, other_label)]: &[(Card, String); 2],
) -> anyhow::Result<String> {
    let codes = [card, other].map(|card| code_in(&card.settings()?));
    let [own, others] = codes;
    let (own, others) = (own?, others?);
    ensure!(own.claim != others.claim, "two cards with one code");
    // Its start stands in the example on every card.
    let text = own.reveal();
    let secret = &text[20..];
    ensure!(
        card.holds("settings", secret)?,
        "its code is not on the card"
    );
    let mut machine = Machine::boot(&card.path, &[])?;
    machine.says("the used claim code is erased from the card")?;
    let key = machine.online()?;
    machine.healthy()?;
    ensure!(provider.sees_the_box(true)? == key, "the key must stay");
    let waiting = provider.box_with(label)?.context("no box has its label")?;
    ensure!(
        !waiting.contains("Pump station"),
        "it has a site: {waiting}"
    );
    let other_box = provider.box_with(other_label)?;
    ensure!(other_box.is_none(), "the other box is there: {other_box:?}");
    ensure!(provider.session().is_err(), "a session without a site");
    let id = waiting.split_whitespace().next().context("an id")?;
    provider.did(&["gateway", "assign", id, "--site", SITE])?;
    // It has a name now, and no label.
    let at_home = provider.box_with(id)?.unwrap_or_default();
    ensure!(
        at_home.contains("Pump station"),
        "it has no site: {at_home}"
    );
    // Its link comes anew with the site.
    eventually("a session at the site", HANGS, || {
        Ok(provider.session().is_ok())
    })?;
    machine.cut();
    ensure!(
        !card.holds("settings", secret)?,
        "its code is still on the card"
    );
    code_in(&other.settings()?).context("the other card's code")?;
    Ok(key)
}
