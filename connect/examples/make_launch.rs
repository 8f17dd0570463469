//! Prints a `culvert://` address for a host, as a page of the portal gives it:
//! `make_launch HOST PROTOCOL`, signed in as `culvert` is.

use std::process::ExitCode;

use culvert_connect::api::Api;
use culvert_connect::failure::Failure;
use culvert_connect::home::Home;
use culvert_connect::reach::Server;
use culvert_connect::text::{note, result};
use culvert_connect::word::{HostWord, Numbers};
use culvert_wire::api::NewLaunch;
use culvert_wire::grant::Protocol;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [host, protocol] = args.as_slice() else {
        note("make_launch HOST PROTOCOL");
        return ExitCode::from(2);
    };
    let Ok(protocol) = protocol.parse() else {
        note("no such protocol");
        return ExitCode::from(2);
    };
    match address(host, protocol).await {
        Ok(address) => {
            result(&format!("{address}\n"));
            ExitCode::SUCCESS
        }
        Err(failure) => {
            note(&failure.sentence());
            ExitCode::from(failure.exit())
        }
    }
}

async fn address(host: &str, protocol: Protocol) -> Result<String, Failure> {
    let word = HostWord::parse(host, Numbers::Port)?;
    let mut server = Server::known(Home::find()?)?;
    let (link, _events) = server.signed_in().await?;
    let api = Api(&link);
    let host = api.host(&word).await?.id;
    let launch = api
        .new_launch(&NewLaunch {
            host,
            protocol,
            ports: word.port.into_iter().collect(),
        })
        .await?;
    Ok(launch.url)
}
