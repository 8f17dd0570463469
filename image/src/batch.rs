//! Many boxes at once: an image for each line of a CSV file, and the sheet of
//! labels that are stuck on the boxes.
//!
//! Every line is checked before anything is written. A label shows what tells
//! its box from the others and no secret; its QR code opens the portal's page
//! where the box gets its site. The images hold claim codes: only their owner
//! may read them.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use culvert_config::boxfile::BoxFile;
use culvert_wire::claim::{ClaimCode, label};
use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};
use serde::Deserialize;

use crate::{inspect, provision, tool};

/// Name of the sheet of labels.
const SHEET: &str = "labels.html";
/// Most boxes of one file.
const MOST: usize = 1000;

/// One line.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    /// The claim code.
    claim: String,
    /// What the label shall say; as the code has it, it must be the same.
    #[serde(default)]
    label: String,
    /// For people: printed on the label.
    #[serde(default)]
    name: String,
    /// `ADDRESS/LENGTH`; none: DHCP.
    #[serde(default)]
    address: String,
    /// The site's router.
    #[serde(default)]
    gateway: String,
    /// Name servers, with blanks between.
    #[serde(default)]
    dns: String,
    /// The site's HTTP proxy.
    #[serde(default)]
    proxy: String,
}

/// A box that is ready to be written.
#[derive(Debug)]
struct Ready {
    label: String,
    name: String,
    /// The portal's address.
    server: String,
    settings: String,
}

/// Writes an image for every line of `list` into a new folder, and the labels.
pub(crate) fn images(
    image: &Path,
    list: &Path,
    common: Option<&Path>,
    out: &Path,
) -> anyhow::Result<Vec<PathBuf>> {
    let common = match common {
        Some(path) => {
            let name = || path.display().to_string();
            let text = fs::read_to_string(path).with_context(name)?;
            BoxFile::from_toml(&text).with_context(name)?;
            text
        }
        None => String::new(),
    };
    let text = fs::read_to_string(list).with_context(|| list.display().to_string())?;
    let boxes = boxes(&text, &common).with_context(|| list.display().to_string())?;
    let model = inspect::board(image)?;
    inspect::whole(image)?;
    fs::create_dir(out).with_context(|| format!("{} must be a new folder", out.display()))?;
    fs::set_permissions(out, fs::Permissions::from_mode(0o700))?;
    let mut made = Vec::new();
    for one in &boxes {
        let path = out.join(format!("{}.img", one.label));
        copy(image, &path)?;
        provision::settings(&path, &one.settings)?;
        made.push(path);
    }
    let sheet = out.join(SHEET);
    fs::write(&sheet, labels(&boxes, &model)?)?;
    made.push(sheet);
    Ok(made)
}

/// Takes the list apart; the first mistake is a sentence with its line.
fn boxes(text: &str, common: &str) -> anyhow::Result<Vec<Ready>> {
    let common: toml::Table = common.parse().context("the common settings")?;
    ensure!(
        !common.contains_key("claim"),
        "the common settings hold a claim code: it is for one box"
    );
    // As spreadsheets of half the world write it.
    let first = text.lines().next().unwrap_or_default();
    let between = if first.contains(';') { b';' } else { b',' };
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .delimiter(between)
        .flexible(true)
        .from_reader(text.as_bytes());
    let mut seen = HashSet::new();
    let mut out = Vec::new();
    let headers = reader.headers()?.clone();
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record)? {
        let at = record.position().map_or(0, csv::Position::line);
        ensure!(
            record.len() == headers.len(),
            "line {at}: {} fields where the first line has {}",
            record.len(),
            headers.len()
        );
        let one = record
            .deserialize::<Line>(Some(&headers))
            .map_err(|error| anyhow::anyhow!(plain(&error)))
            .and_then(|line| ready(&line, &common))
            .with_context(|| format!("line {at}"))?;
        ensure!(
            seen.insert(one.label.clone()),
            "line {at}: the claim code of {} is there twice, and works once",
            one.label
        );
        out.push(one);
        ensure!(out.len() <= MOST, "more than {MOST} boxes: make two files");
    }
    ensure!(!out.is_empty(), "there is no box in it");
    Ok(out)
}

/// A mistake of a line without what stands in it: claim codes are secret.
fn plain(error: &csv::Error) -> String {
    let csv::ErrorKind::Deserialize { err, .. } = error.kind() else {
        return "not to be read".to_owned();
    };
    err.kind().to_string()
}

fn ready(line: &Line, common: &toml::Table) -> anyhow::Result<Ready> {
    let code: ClaimCode = line.claim.parse()?;
    let label = label(code.claim);
    if !line.label.is_empty() && line.label != label {
        bail!("the claim code is that of {label}, not of {}", line.label);
    }
    let server = code
        .servers
        .first()
        .context("the claim code names no server")?;
    let mut settings = common.clone();
    settings.insert("claim".into(), line.claim.clone().into());
    if !line.address.is_empty() || !line.gateway.is_empty() || !line.dns.is_empty() {
        let mut network = toml::Table::new();
        for (key, value) in [("address", &line.address), ("gateway", &line.gateway)] {
            if !value.is_empty() {
                network.insert(key.into(), value.clone().into());
            }
        }
        let dns: Vec<toml::Value> = line.dns.split_whitespace().map(toml::Value::from).collect();
        network.insert("dns".into(), dns.into());
        settings.insert("network".into(), network.into());
    }
    if !line.proxy.is_empty() {
        let gateway = settings
            .entry("gateway")
            .or_insert(toml::Table::new().into());
        let gateway = gateway.as_table_mut().context("gateway must be a table")?;
        let proxy = toml::Table::from_iter([("url".to_owned(), line.proxy.clone().into())]);
        gateway.insert("proxy".into(), proxy.into());
    }
    let settings = settings.to_string();
    BoxFile::from_toml(&settings)?;
    Ok(Ready {
        label,
        name: line.name.clone(),
        server: server.clone(),
        settings,
    })
}

/// A copy that leaves holes where the image has zeros.
fn copy(image: &Path, to: &Path) -> anyhow::Result<()> {
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)
        .with_context(|| to.display().to_string())?;
    let arguments = [
        "--reflink=auto".as_ref(),
        "--sparse=always".as_ref(),
        image.as_os_str(),
        to.as_os_str(),
    ];
    tool::run("cp", 0, &arguments)?;
    Ok(())
}

/// The sheet: HTML, to be printed by any browser.
fn labels(boxes: &[Ready], model: &str) -> anyhow::Result<String> {
    let mut out = String::from(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Labels</title><style>\n\
         body{font:9pt/1.25 sans-serif;margin:8mm;display:flex;flex-wrap:wrap;gap:4mm}\n\
         div{width:70mm;height:29mm;box-sizing:border-box;padding:1mm 2mm 1mm 1mm;\
         border:.2mm solid #999;display:flex;gap:1mm;align-items:center;break-inside:avoid}\n\
         svg{width:27mm;height:27mm;flex:none}b{font:bold 14pt monospace}\n\
         span{display:block;max-height:2.5em;overflow:hidden;overflow-wrap:anywhere}\n\
         small{color:#333;font-size:8pt}\n\
         </style>\n",
    );
    for one in boxes {
        let address = format!("https://{}/boxes?label={}", one.server, one.label);
        let code = QrCode::with_error_correction_level(&address, EcLevel::M)?;
        let code = code
            .render::<svg::Color<'_>>()
            .min_dimensions(200, 200)
            .build();
        let code = code.split_once("?>").map_or(&code[..], |(_, svg)| svg);
        let (name, model) = (escaped(&one.name), escaped(model));
        writeln!(
            out,
            "<div>{code}<p><b>{}</b><span>{name}</span><small>Culvert, {model}</small></p></div>",
            one.label
        )?;
    }
    out.push_str("</html>\n");
    Ok(out)
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '&' => out.push_str("&amp;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use culvert_wire::id::ClaimId;
    use culvert_wire::key::SigningKey;

    use super::*;

    fn code(n: u8) -> String {
        let code = ClaimCode {
            servers: vec!["prs.example.com:443".into()],
            provider: SigningKey::from_seed(&[1; 32]).public(),
            claim: ClaimId::from_random([n; 16]),
            seed: SigningKey::from_seed(&[n; 32]),
        };
        code.reveal().to_string()
    }

    fn refused(text: &str) -> String {
        format!("{:#}", boxes(text, "").unwrap_err())
    }

    #[test]
    fn every_line_becomes_the_settings_of_a_box() {
        let list = format!(
            "claim,name,address,gateway,dns,proxy\n{},Mill <1>,192.168.7.5/24,192.168.7.1,\
             192.168.7.1 9.9.9.9,http://proxy.example:3128\n{},,,,,\n",
            code(1),
            code(2)
        )
        .replace(',', ";");
        let common = "[gateway]\nmax_sessions = 9\n";

        let made = boxes(&list, common).unwrap();

        let first = BoxFile::from_toml(&made[0].settings).unwrap();
        assert_eq!(first.claim.as_deref(), Some(&code(1)));
        assert!(made[0].settings.contains("192.168.7.5/24"));
        for all in [
            &first.gateway,
            &BoxFile::from_toml(&made[1].settings).unwrap().gateway,
        ] {
            assert!(all.contains("max_sessions = 9"), "{all}");
        }
        assert!(first.gateway.contains("proxy.example"));
        assert!(!made[1].settings.contains("proxy") && !made[1].settings.contains("network"));
    }

    #[test]
    fn labels_show_no_secret_and_lead_to_the_portal() {
        let list = format!("claim,name\n{},Mill <1> & sons\n{},\n", code(1), code(2));
        let made = boxes(&list, "").unwrap();

        let sheet = labels(&made, "Pine64 Rock64").unwrap();

        assert_eq!(sheet.matches("<svg").count(), 2);
        assert!(
            sheet.contains("<b>AEAQ-CAIB</b><span>Mill &lt;1> &amp; sons</span>"),
            "{sheet}"
        );
        assert!(!sheet.contains("culvert-claim"));
        assert!(!sheet.contains("<?xml"));
    }

    #[test]
    fn a_mistake_is_one_sentence_with_its_line_and_without_a_secret() {
        let one = code(1);
        for (list, wanted) in [
            (
                format!("claim\n{one}\nx\n"),
                "line 3: a claim code begins with",
            ),
            (
                format!("claim,label\n{one},AAAA-AAAA\n"),
                "line 2: the claim code is that of AEAQ",
            ),
            (
                format!("claim\n{one}\n{one}\n"),
                "line 3: the claim code of AEAQ-CAIB is there twice",
            ),
            (
                format!("claim,adress\n{one},1.2.3.4\n"),
                "line 2: unknown field `adress`",
            ),
            (
                format!("claim,dns\n{one},1.2.3.4\n"),
                "line 2: network.address: is missing",
            ),
            (
                format!("claim,name\n{one}\n"),
                "line 2: 1 fields where the first line has 2",
            ),
            ("claim\n".into(), "there is no box in it"),
            (String::new(), "there is no box in it"),
        ] {
            let told = refused(&list);
            assert!(told.contains(wanted), "{told}");
            assert!(!told.contains(&one[20..]), "{told}");
        }
    }
}
