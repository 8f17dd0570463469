//! Hosts from CSV text.

use culvert_cloud_prs::app::import::Imported;
use culvert_wire::reason::Reason;

use crate::world::on_both;
use crate::world::{World, console};

async fn import(world: &World, text: &str, partial: bool) -> Imported {
    let call = console();
    let done = world.app.import_hosts(&call, world.a.site, text, partial);
    done.await.unwrap()
}

fn errors(done: &Imported) -> Vec<Option<&str>> {
    done.lines
        .iter()
        .map(|line| line.error.as_deref())
        .collect()
}

async fn names(world: &World) -> Vec<String> {
    let found = world
        .app
        .hosts(&console(), "acme", None, 1000)
        .await
        .unwrap();
    found.hosts.into_iter().map(|host| host.name).collect()
}

on_both! {
one_wrong_line_leaves_everything_as_it_was_unless_the_rest_is_wanted, world => {
    let text = "Name,Address,Services\n\
                till 1,192.168.7.31,vnc ssh\n\
                till 2,not an address!,vnc\n\
                Server,192.168.7.32,\n\
                till 1,192.168.7.33,\n\
                till 3,192.168.7.34,gopher\n\
                till 4,printer.lan,\"http, https:8443\"\n";
    let none = import(&world, text, false).await;
    assert_eq!((none.added, none.wrong), (0, 4));
    assert!(none.lines.iter().all(|line| line.host.is_none()));
    assert_eq!(names(&world).await, ["server"]);

    let some = import(&world, text, true).await;
    assert_eq!((some.added, some.wrong), (2, 4));
    let taken = Some("the site has a host of that name already");
    let said = errors(&some);
    assert_eq!((said[0], said[5]), (None, None));
    assert_eq!((said[2], said[3]), (taken, taken));
    assert!(said[1].unwrap().contains("address") && said[4].unwrap().contains("service"));
    assert_eq!(some.lines[5].line, 7);
    assert_eq!(names(&world).await, ["server", "till 1", "till 4"]);
}
}

#[tokio::test]
async fn what_spreadsheets_write_is_read() {
    let world = World::new().await;
    let text = "\u{feff}Tags;Any_Port;Address;Name;Notes\r\n\
                floor1 red;yes;10.0.0.1;\"Büro; links\";\"two\nlines\"\r\n";
    let done = import(&world, text, false).await;

    assert_eq!((done.added, done.wrong), (1, 0), "{:?}", errors(&done));
    let call = console();
    let host = world
        .app
        .host(&call, done.lines[0].host.unwrap())
        .await
        .unwrap();
    assert_eq!(host.name, "Büro; links");
    assert!(host.any_port);
    let notes = world.app.notes(&call, host.id).await.unwrap();
    assert_eq!(notes.notes, "two\nlines");
    assert_eq!(notes.tags, ["floor1", "red"]);
}

#[tokio::test]
async fn text_that_is_no_list_of_hosts_is_refused_as_a_whole() {
    let world = World::new().await;
    let many = format!("name,address\n{}", "x,10.0.0.1\n".repeat(5001));
    for text in [
        "",
        "name\nx",
        "name,address,password\nx,10.0.0.1,hunter2",
        "\u{0}\u{1}\u{2}",
        &many,
    ] {
        let call = console();
        let done = world.app.import_hosts(&call, world.a.site, text, true);
        let error = done.await.unwrap_err();
        assert_eq!(error.reason, Reason::Invalid);
        assert!(!error.message.contains("hunter2"));
    }
    // Lines of junk are lines with faults, and their text is not spread.
    let junk = format!(
        "name,address\n{},=cmd()\n\u{1b}[2J,10.0.0.1\n",
        "y".repeat(5000)
    );
    let done = import(&world, &junk, true).await;
    assert_eq!((done.added, done.wrong), (0, 2));
    assert!(done.lines.iter().all(|line| line.name.len() <= 60));
    assert!(!done.lines[1].name.contains('\u{1b}'));
}
