//! What a gigabyte through the relay costs, by role.
//!
//! One session's bulk from the gateway to the technician, real TLS links,
//! shipped relay. In the same run, in turns: a relay that ends TLS, copies and
//! starts TLS again, fed messages of the same sizes in the same order, and
//! rathole with TLS where it is installed. Ratios are between neighbours in
//! time, so that other work on the machine weighs on all alike.

mod blind;
mod plain;
mod rathole;

use std::path::Path;

use crate::report::Figure;

/// Bytes of each turn.
const TURN: u64 = 400_000_000;
const TURNS: u32 = 3;

pub(crate) fn run() -> anyhow::Result<Vec<Figure>> {
    let (mut blind, mut plain) = (blind::Cost::default(), plain::Cost::default());
    let rathole = rathole::find();
    let mut other = rathole::Cost::default();
    for _ in 0..TURNS {
        let (cost, sizes) = blind::turn(TURN)?;
        blind.add(&cost);
        plain.add(&plain::turn(sizes)?);
        if let Some(program) = &rathole {
            other.add(&rathole::turn(program, TURN)?);
        }
    }
    Ok(figures(
        &blind,
        &plain,
        rathole.as_deref().map(|at| (at, &other)),
    ))
}

fn figures(
    blind: &blind::Cost,
    plain: &plain::Cost,
    rathole: Option<(&Path, &rathole::Cost)>,
) -> Vec<Figure> {
    let relay = blind.relay_seconds / gb(blind.forwarded);
    let copy = plain.seconds / gb(plain.forwarded);
    let mbit = blind.payload as f64 * 8.0 / blind.wall / 1e6;
    let unit = "CPU-s/GB";
    let mut figures = vec![
        Figure::new(
            "relay_cpu_per_gb",
            relay,
            unit,
            "blind, both legs TLS + WebSocket",
        ),
        Figure::new(
            "plain_copy_cpu_per_gb",
            copy,
            unit,
            "TLS in, copy, TLS out, same messages",
        ),
        Figure::new("relay_to_plain_copy", relay / copy, "×", ""),
        Figure::new(
            "gateway_cpu_per_gb",
            blind.gateway_seconds / gb(blind.payload),
            unit,
            "sends; QUIC inside TLS",
        ),
        Figure::new(
            "technician_cpu_per_gb",
            blind.technician_seconds / gb(blind.payload),
            unit,
            "receives; QUIC inside TLS",
        ),
        Figure::new(
            "goodput",
            mbit,
            "Mbit/s",
            format!(
                "one stream, all roles on this machine; batches of {} B on average, {} packets lost",
                blind.mean_batch(),
                blind.lost,
            ),
        ),
    ];
    if let Some((_, cost)) = rathole {
        let theirs = cost.seconds / gb(cost.forwarded);
        figures.push(Figure::new(
            "rathole_cpu_per_gb",
            theirs,
            unit,
            "rathole 0.5.0 server, TLS on one leg only",
        ));
        figures.push(Figure::new("relay_to_rathole", relay / theirs, "×", ""));
    }
    figures
}

fn gb(bytes: u64) -> f64 {
    bytes as f64 / 1e9
}
