//! A flattened device tree (Devicetree Specification, chapter 5), and what Linux
//! makes of its lights and keys.

use anyhow::{Context as _, bail, ensure};

/// Words of the tree's structure.
const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROPERTY: u32 = 3;
const NOTHING: u32 = 4;
/// Colours by their numbers in a tree, as Linux calls them.
const COLOURS: [&str; 10] = [
    "white",
    "red",
    "green",
    "blue",
    "amber",
    "violet",
    "yellow",
    "ir",
    "multicolor",
    "rgb",
];

/// A node.
#[derive(Debug, Default)]
pub(crate) struct Node {
    name: String,
    properties: Vec<(String, Vec<u8>)>,
    nodes: Vec<Node>,
}

impl Node {
    /// The root of a tree.
    pub(crate) fn read(bytes: &[u8]) -> anyhow::Result<Self> {
        ensure!(
            bytes.starts_with(&[0xd0, 0x0d, 0xfe, 0xed]),
            "no device tree"
        );
        let (structure, names) = (word(bytes, 8)?, word(bytes, 12)?);
        let mut open = vec![Self::default()];
        let mut at = structure as usize;
        loop {
            let kind = word(bytes, at)?;
            at += 4;
            match kind {
                BEGIN_NODE => {
                    let name = text(bytes, at)?;
                    at = (at + name.len() + 1).next_multiple_of(4);
                    open.push(Self {
                        name,
                        ..Self::default()
                    });
                }
                END_NODE => {
                    let done = open.pop().context("a node ends")?;
                    let around = open.last_mut().context("a node ends inside another")?;
                    around.nodes.push(done);
                }
                PROPERTY => {
                    let length = word(bytes, at)? as usize;
                    let name = text(bytes, (names + word(bytes, at + 4)?) as usize)?;
                    let value = bytes.get(at + 8..at + 8 + length).context("a value")?;
                    let node = open.last_mut().context("a property of a node")?;
                    node.properties.push((name, value.to_vec()));
                    at = (at + 8 + length).next_multiple_of(4);
                }
                NOTHING => {}
                _ => break,
            }
        }
        let Some(root) = open.pop().and_then(|mut around| around.nodes.pop()) else {
            bail!("a device tree without a root");
        };
        Ok(root)
    }

    /// Names of the lights below `/sys/class/leds` (Linux, `led_compose_name`).
    pub(crate) fn lights(&self) -> Vec<String> {
        let lights = self
            .of("gpio-leds")
            .into_iter()
            .flat_map(|node| &node.nodes);
        lights.map(Self::light).collect()
    }

    fn light(&self) -> String {
        if let Some(label) = self.text("label") {
            return label;
        }
        let colour = self.number("color", 0);
        let colour = colour.and_then(|number| COLOURS.get(number as usize));
        let function = self.text("function");
        if colour.is_none() && function.is_none() {
            return self.name.split('@').next().unwrap_or_default().to_owned();
        }
        let (colour, function) = (colour.unwrap_or(&""), function.unwrap_or_default());
        match self.number("function-enumerator", 0) {
            Some(number) => format!("{colour}:{function}-{number}"),
            None => format!("{colour}:{function}"),
        }
    }

    /// Keys at GPIO lines: the line, and whether low is pressed.
    pub(crate) fn keys(&self) -> Vec<(u32, bool)> {
        let keys = self
            .of("gpio-keys")
            .into_iter()
            .flat_map(|node| &node.nodes);
        keys.filter_map(|key| {
            // Chip, line, flags; the lowest flag is GPIO_ACTIVE_LOW.
            Some((key.number("gpios", 1)?, key.number("gpios", 2)? & 1 == 1))
        })
        .collect()
    }

    /// The nodes that are of a kind, wherever they are.
    fn of(&self, kind: &str) -> Vec<&Self> {
        let mut found: Vec<&Self> = self.nodes.iter().flat_map(|node| node.of(kind)).collect();
        if self.text("compatible").as_deref() == Some(kind) {
            found.push(self);
        }
        found
    }

    fn value(&self, name: &str) -> Option<&[u8]> {
        let mut named = self.properties.iter().filter(|(own, _)| own == name);
        named.next().map(|(_, value)| &value[..])
    }

    /// The first text of a property.
    fn text(&self, name: &str) -> Option<String> {
        text(self.value(name)?, 0).ok()
    }

    fn number(&self, name: &str, index: usize) -> Option<u32> {
        word(self.value(name)?, index * 4).ok()
    }
}

fn word(bytes: &[u8], at: usize) -> anyhow::Result<u32> {
    let bytes = bytes.get(at..at + 4).context("the tree ends early")?;
    Ok(u32::from_be_bytes(bytes.try_into()?))
}

fn text(bytes: &[u8], at: usize) -> anyhow::Result<String> {
    let rest = bytes.get(at..).context("the tree ends early")?;
    let end = rest.iter().position(|&byte| byte == 0);
    Ok(String::from_utf8(
        rest[..end.context("a text ends")?].to_vec(),
    )?)
}
