//! Adds many hosts from a CSV text, whose lines are judged one by one.
//!
//! Columns by name, in any order: `name`, `address`, and if wanted `services`
//! (separated by spaces), `any_port` (yes or no), `tags` (separated by spaces)
//! and `notes`. Comma or semicolon, as spreadsheets write it. Unless `partial`
//! is asked for, one wrong line leaves everything as it was.

use std::collections::HashSet;

use culvert_wire::UnixMs;
use culvert_wire::api::{HostService, Named};
use culvert_wire::grant::HostAddress;
use culvert_wire::id::{CustomerId, HostId, SiteId};
use culvert_wire::reason::Reason;

use super::marks::{notes_text, tags};
use super::names::name;
use super::trail::Event;
use super::tree::{services, state};
use super::{App, AppError, Call};
use crate::authz::Action;
use crate::store::hosts::{self, Host};
use crate::store::marks::{self, Notes};
use crate::store::sites::Site;
use crate::store::{StoreError, Write, name_key};

/// Lines in one import.
const MAX_LINES: usize = 5_000;
/// Known columns.
const COLUMNS: [&str; 6] = ["name", "address", "services", "any_port", "tags", "notes"];

/// What became of the lines.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct Imported {
    /// Hosts that were added.
    pub added: u32,
    /// Lines that could not be.
    pub wrong: u32,
    /// Each line, in order.
    pub lines: Vec<ImportedLine>,
}

/// What became of one line.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct ImportedLine {
    /// Its number in the text, the head line being 1.
    pub line: u64,
    /// The name that stands there.
    pub name: String,
    /// The host it became.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<HostId>,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A line that may be added.
struct Wanted {
    host: Host,
    notes: Notes,
}

impl App {
    /// Adds a site's hosts from CSV text.
    ///
    /// # Errors
    /// [`AppError`]; wrong lines are told in the answer.
    pub async fn import_hosts(
        &self,
        call: &Call,
        site: SiteId,
        text: &str,
        partial: bool,
    ) -> Result<Imported, AppError> {
        call.needs(Action::HostAdd)?;
        let mut write = self.store.write().await?;
        let site = self
            .reachable_site(&mut write, call, Action::HostAdd, site)
            .await?;
        let table = Table::read(text)?;
        let mut taken: HashSet<String> = hosts::names_at(&mut write, site.id)
            .await?
            .into_iter()
            .collect();
        let (mut lines, mut wanted) = judge_lines(&table, &site, &mut taken, self.now());
        let wrong = lines.iter().filter(|line| line.error.is_some()).count();
        if wrong > 0 && !partial {
            for line in &mut lines {
                line.host = None;
            }
            wanted.clear();
        }
        for one in &wanted {
            self.add_imported(&mut write, call, one).await?;
        }
        self.commit(write).await?;
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Ok(Imported {
            added: count(wanted.len()),
            wrong: count(wrong),
            lines,
        })
    }

    async fn add_imported(
        &self,
        write: &mut Write,
        call: &Call,
        wanted: &Wanted,
    ) -> Result<(), StoreError> {
        let host = &wanted.host;
        hosts::add(write, host).await?;
        if wanted.notes != Notes::default() {
            marks::set_notes(write, host.id, &wanted.notes).await?;
        }
        let event = Event::done("host.add", Some(host.customer.id), host.id).after(state(host));
        self.record(write, &call.into(), event).await
    }
}

/// What an import would say to a text, at a site that has no hosts: nobody is
/// asked and nothing kept.
///
/// # Errors
/// [`AppError`] when the text is no table of hosts.
pub fn judged(text: &str) -> Result<Vec<ImportedLine>, AppError> {
    let nowhere = Site {
        id: SiteId::from_random([0; 16]),
        customer: CustomerId::from_random([0; 16]),
        customer_name: String::new(),
        name: String::new(),
        created: UnixMs(0),
    };
    let table = Table::read(text)?;
    Ok(judge_lines(&table, &nowhere, &mut HashSet::new(), UnixMs(0)).0)
}

/// Each line's fate, and the hosts of those that may be added.
fn judge_lines(
    table: &Table,
    site: &Site,
    taken: &mut HashSet<String>,
    now: UnixMs,
) -> (Vec<ImportedLine>, Vec<Wanted>) {
    let (mut lines, mut all) = (Vec::new(), Vec::new());
    for (number, fields) in &table.lines {
        let judged = judge_line(table, fields, site, taken, now);
        let error = judged.as_ref().err().map(|error| error.message.clone());
        lines.push(ImportedLine {
            line: *number,
            name: shown(table.field(fields, "name")),
            host: judged.as_ref().ok().map(|wanted| wanted.host.id),
            error,
        });
        all.extend(judged);
    }
    (lines, all)
}

fn judge_line(
    table: &Table,
    fields: &csv::StringRecord,
    site: &Site,
    taken: &mut HashSet<String>,
    now: UnixMs,
) -> Result<Wanted, AppError> {
    let called = name(table.field(fields, "name"))?;
    let address: HostAddress = table
        .field(fields, "address")
        .parse()
        .map_err(|_| AppError::invalid("the address is no IP address and no host name"))?;
    let mut spoken: Vec<HostService> = Vec::new();
    let split = |c: char| c.is_whitespace() || c == ',';
    let words = table.field(fields, "services").split(split);
    for word in words.filter(|word| !word.is_empty()) {
        let word = word.to_ascii_lowercase();
        spoken.push(
            word.parse()
                .map_err(|error: culvert_wire::api::ParseServiceError| {
                    AppError::invalid(error.to_string())
                })?,
        );
    }
    let any_port = match table
        .field(fields, "any_port")
        .to_ascii_lowercase()
        .as_str()
    {
        "" | "no" | "false" | "0" => false,
        "yes" | "true" | "1" => true,
        _ => return Err(AppError::invalid("any_port is yes or no")),
    };
    let words = table.field(fields, "tags").split(split);
    let words = words.filter(|word| !word.is_empty()).map(str::to_owned);
    let notes = Notes {
        notes: notes_text(table.field(fields, "notes").to_owned())?,
        tags: tags(words.collect())?,
    };
    if !taken.insert(name_key(&called)) {
        return Err(AppError::new(
            Reason::Conflict,
            "the site has a host of that name already",
        ));
    }
    let host = Host {
        id: HostId::from_random(rand::random()),
        name: called,
        customer: Named {
            id: site.customer,
            name: site.customer_name.clone(),
        },
        site: Named {
            id: site.id,
            name: site.name.clone(),
        },
        address,
        services: services(&spoken)?,
        any_port,
        created: now,
        gateway: None,
    };
    Ok(Wanted { host, notes })
}

/// The text as a table.
struct Table {
    columns: Vec<String>,
    lines: Vec<(u64, csv::StringRecord)>,
}

impl Table {
    fn read(text: &str) -> Result<Self, AppError> {
        let text = text.trim_start_matches('\u{feff}');
        let head = text.lines().next().unwrap_or("");
        let semicolons = head.matches(';').count() > head.matches(',').count();
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(if semicolons { b';' } else { b',' })
            .trim(csv::Trim::All)
            .flexible(true)
            .from_reader(text.as_bytes());
        let broken = |_| AppError::invalid("the text is no CSV");
        let head = reader.headers().map_err(broken)?;
        let columns: Vec<String> = head.iter().map(str::to_ascii_lowercase).collect();
        for needed in ["name", "address"] {
            if !columns.iter().any(|column| column == needed) {
                return Err(AppError::invalid(format!(
                    "the first line names the columns, and '{needed}' is not among them: \
                     known are {}",
                    COLUMNS.join(", ")
                )));
            }
        }
        if columns
            .iter()
            .any(|column| !COLUMNS.contains(&column.as_str()))
        {
            return Err(AppError::invalid(format!(
                "the first line has a column that is not known: known are {}",
                COLUMNS.join(", ")
            )));
        }
        let mut lines = Vec::new();
        for record in reader.records() {
            let record = record.map_err(broken)?;
            let number = record.position().map_or(0, csv::Position::line);
            if lines.len() >= MAX_LINES {
                return Err(AppError::invalid(format!(
                    "at most {MAX_LINES} lines can be added at once"
                )));
            }
            lines.push((number, record));
        }
        Ok(Self { columns, lines })
    }

    fn field<'a>(&self, line: &'a csv::StringRecord, column: &str) -> &'a str {
        let at = self.columns.iter().position(|known| known == column);
        at.and_then(|at| line.get(at)).unwrap_or("")
    }
}

/// A name as the answer repeats it: short, and only what can be shown.
fn shown(text: &str) -> String {
    let plain = text.chars().filter(|c| !c.is_control());
    plain.take(60).collect()
}
