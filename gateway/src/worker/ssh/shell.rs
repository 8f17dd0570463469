//! The shell: bytes both ways, window sizes, and how it ended.

use std::io::Cursor;

use bytes::Bytes;
use culvert_wire::reason::Reason;
use culvert_wire::terminal::{Exit, FromPage, MAX_BODY, Size, ToPage};
use russh::client::{Handle, Msg};
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Pty, Sig};
use tokio::sync::mpsc;

use super::super::message::{FromWorker, ToWorker};
use super::dialogue::Dialogue;
use super::host::Host;
use super::{Failure, explain};

/// Inputs that wait for the host's window; more wait at the gateway.
const INPUTS: usize = 4;
/// What the shell is told about characters. A host that does not accept it
/// uses its own.
const LOCALE: &str = "C.UTF-8";

/// What the technician's end wants done.
enum Wish {
    Input(Bytes),
    Resize(Size),
    Close,
}

/// Opens a shell and carries it to its end.
pub(super) async fn run(
    handle: &Handle<Host>,
    dialogue: &Dialogue,
    account: &str,
    term: &str,
    size: Size,
) -> Result<Exit, Failure> {
    let mut channel = open(handle, dialogue, term, size).await?;
    let early = wait_for_shell(&mut channel).await?;
    dialogue
        .say(FromWorker::Ready {
            account: account.to_owned(),
        })
        .await?;
    for data in early {
        show(dialogue, data).await?;
    }
    let (read, write) = channel.split();
    let (wishes, wished) = mpsc::channel(INPUTS);
    // A host that does not read its input must still be read, so both ways
    // run on their own.
    tokio::select! {
        exit = from_host(read, dialogue) => exit,
        failure = listen(dialogue, wishes) => Err(failure),
        closed = to_host(write, wished) => closed,
    }
}

async fn open(
    handle: &Handle<Host>,
    dialogue: &Dialogue,
    term: &str,
    size: Size,
) -> Result<Channel<Msg>, Failure> {
    let channel = handle.channel_open_session().await;
    let channel = channel.map_err(explain::later)?;
    let (columns, rows) = (size.columns.into(), size.rows.into());
    let modes = [(Pty::IUTF8, 1)];
    let asked = async {
        channel
            .request_pty(false, term, columns, rows, 0, 0, &modes)
            .await?;
        channel.set_env(false, "LANG", LOCALE).await?;
        channel.set_env(false, "LC_CTYPE", LOCALE).await?;
        channel.request_shell(true).await
    };
    asked.await.map_err(explain::later)?;
    // The window may have changed while the technician answered.
    if let Some(newer) = dialogue.size().filter(|newer| *newer != size) {
        resize_channel(&channel, newer).await?;
    }
    Ok(channel)
}

async fn resize_channel(channel: &Channel<Msg>, size: Size) -> Result<(), Failure> {
    let (columns, rows) = (size.columns.into(), size.rows.into());
    let resized = channel.window_change(columns, rows, 0, 0).await;
    resized.map_err(explain::later)
}

/// Waits until the host has started the shell; what it wrote meanwhile.
async fn wait_for_shell(channel: &mut Channel<Msg>) -> Result<Vec<Bytes>, Failure> {
    /// Pieces that a host may send before it says that the shell runs.
    const EARLY: usize = 32;
    let mut early = Vec::new();
    let refused = |text| Err(Failure::refused(Reason::HostSignIn, text));
    loop {
        match channel.wait().await {
            Some(ChannelMsg::Success) => return Ok(early),
            Some(ChannelMsg::Data { data } | ChannelMsg::ExtendedData { data, .. })
                if early.len() < EARLY =>
            {
                early.push(data);
            }
            Some(ChannelMsg::Failure) => return refused("the host gives this account no shell"),
            None | Some(ChannelMsg::Close) => return refused("the host hung up after the sign-in"),
            Some(_) => {}
        }
    }
}

async fn show(dialogue: &Dialogue, mut data: Bytes) -> Result<(), Failure> {
    while !data.is_empty() {
        let piece = data.split_to(data.len().min(MAX_BODY));
        dialogue.show(ToPage::Output(piece)).await?;
    }
    Ok(())
}

async fn from_host(mut read: ChannelReadHalf, dialogue: &Dialogue) -> Result<Exit, Failure> {
    let mut exit = None;
    while let Some(message) = read.wait().await {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "russh adds messages; the others say nothing about a shell"
        )]
        match message {
            ChannelMsg::Data { data } | ChannelMsg::ExtendedData { data, .. } => {
                show(dialogue, data).await?;
            }
            ChannelMsg::ExitStatus { exit_status } => exit = Some(Exit::Status(exit_status)),
            ChannelMsg::ExitSignal {
                signal_name,
                error_message,
                ..
            } => {
                exit = Some(Exit::Signal {
                    name: name_of(signal_name),
                    text: error_message,
                });
            }
            ChannelMsg::Close => break,
            _ => {}
        }
    }
    Ok(exit.unwrap_or(Exit::Lost {
        reason: Reason::ClosedByHost,
        text: String::new(),
    }))
}

/// Sorts what comes from the gateway.
async fn listen(dialogue: &Dialogue, wishes: mpsc::Sender<Wish>) -> Failure {
    loop {
        let wish = match dialogue.next().await {
            Ok(ToWorker::Page(FromPage::Input(bytes))) => Wish::Input(bytes),
            Ok(ToWorker::Page(FromPage::Resize(size))) => Wish::Resize(size),
            Ok(ToWorker::Page(FromPage::Close)) => Wish::Close,
            // Answers to questions that are over.
            Ok(ToWorker::Page(_) | ToWorker::Begin(_) | ToWorker::Verdict(_)) => continue,
            Err(failure) => return failure,
        };
        if wishes.send(wish).await.is_err() {
            return Failure::Gone;
        }
    }
}

async fn to_host(
    write: ChannelWriteHalf<Msg>,
    mut wished: mpsc::Receiver<Wish>,
) -> Result<Exit, Failure> {
    while let Some(wish) = wished.recv().await {
        let done = match wish {
            Wish::Input(bytes) => write.data(Cursor::new(bytes)).await,
            Wish::Resize(size) => {
                let (columns, rows) = (size.columns.into(), size.rows.into());
                write.window_change(columns, rows, 0, 0).await
            }
            Wish::Close => {
                // The answer is awaited in `from_host` no longer.
                let _ = write.close().await;
                return Ok(Exit::Lost {
                    reason: Reason::ClosedByTechnician,
                    text: String::new(),
                });
            }
        };
        if done.is_err() {
            // The reading side tells how it ended.
            std::future::pending::<()>().await;
        }
    }
    Err(Failure::Gone)
}

fn name_of(signal: Sig) -> String {
    match signal {
        Sig::ABRT => "ABRT".into(),
        Sig::ALRM => "ALRM".into(),
        Sig::FPE => "FPE".into(),
        Sig::HUP => "HUP".into(),
        Sig::ILL => "ILL".into(),
        Sig::INT => "INT".into(),
        Sig::KILL => "KILL".into(),
        Sig::PIPE => "PIPE".into(),
        Sig::QUIT => "QUIT".into(),
        Sig::SEGV => "SEGV".into(),
        Sig::TERM => "TERM".into(),
        Sig::USR1 => "USR1".into(),
        Sig::Custom(name) => name,
    }
}
