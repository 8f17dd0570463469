//! Teams of people who hold roles together.

use culvert_wire::UnixMs;
use culvert_wire::api::Named;
use culvert_wire::id::{TeamId, UserId};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::column::Columns as _;
use super::statement::query;
use super::{StoreError, name_key};

/// One team.
#[derive(Debug, Clone)]
pub struct Team {
    /// Which.
    pub id: TeamId,
    /// Its name, unique.
    pub name: String,
    /// When it was made.
    pub created: UnixMs,
}

fn read(row: &AnyRow) -> Result<Team, StoreError> {
    Ok(Team {
        id: row.parsed("id")?,
        name: row.text("name")?,
        created: row.time("created")?,
    })
}

/// Adds a team.
///
/// # Errors
/// [`StoreError::Taken`] when the name is in use.
pub async fn add(db: &mut AnyConnection, team: &Team) -> Result<(), StoreError> {
    query("INSERT INTO teams (id, name, name_key, created) VALUES ($1, $2, $3, $4)")
        .id(team.id)
        .bind(&team.name)
        .bind(name_key(&team.name))
        .time(team.created)
        .run(db)
        .await
}

/// Gives a team another name.
///
/// # Errors
/// [`StoreError::Taken`] when the name is in use.
pub async fn rename(db: &mut AnyConnection, id: TeamId, name: &str) -> Result<(), StoreError> {
    query("UPDATE teams SET name = $2, name_key = $3 WHERE id = $1")
        .id(id)
        .bind(name)
        .bind(name_key(name))
        .run(db)
        .await
}

/// Removes a team with its roles.
///
/// # Errors
/// [`StoreError`].
pub async fn delete(db: &mut AnyConnection, id: TeamId) -> Result<(), StoreError> {
    for sql in [
        "DELETE FROM assignments WHERE team = $1",
        "DELETE FROM team_members WHERE team = $1",
        "DELETE FROM teams WHERE id = $1",
    ] {
        query(sql).id(id).run(db).await?;
    }
    Ok(())
}

/// The team of an id.
///
/// # Errors
/// [`StoreError`].
pub async fn by_id(db: &mut AnyConnection, id: TeamId) -> Result<Option<Team>, StoreError> {
    query("SELECT * FROM teams WHERE id = $1")
        .id(id)
        .one(db, read)
        .await
}

/// The team of a name, case ignored.
///
/// # Errors
/// [`StoreError`].
pub async fn by_name(db: &mut AnyConnection, name: &str) -> Result<Option<Team>, StoreError> {
    query("SELECT * FROM teams WHERE name_key = $1")
        .bind(name_key(name))
        .one(db, read)
        .await
}

/// All teams, by name.
///
/// # Errors
/// [`StoreError`].
pub async fn all(db: &mut AnyConnection) -> Result<Vec<Team>, StoreError> {
    query("SELECT * FROM teams ORDER BY name_key")
        .all(db, read)
        .await
}

/// Who is in a team, by name.
///
/// # Errors
/// [`StoreError`].
pub async fn members(
    db: &mut AnyConnection,
    team: TeamId,
) -> Result<Vec<Named<UserId>>, StoreError> {
    let sql = "SELECT u.id AS id, u.name AS name FROM team_members m \
               JOIN users u ON u.id = m.user_id WHERE m.team = $1 ORDER BY u.name_key";
    query(sql)
        .id(team)
        .all(db, |row| row.named("id", "name"))
        .await
}

/// Takes a person in; says whether she was not in it before.
///
/// # Errors
/// [`StoreError`].
pub async fn add_member(
    db: &mut AnyConnection,
    team: TeamId,
    user: UserId,
    now: UnixMs,
) -> Result<bool, StoreError> {
    let sql = "INSERT INTO team_members (team, user_id, added) VALUES ($1, $2, $3) \
               ON CONFLICT (team, user_id) DO NOTHING";
    query(sql).id(team).id(user).time(now).changed(db).await
}

/// Takes a person out; says whether she was in it.
///
/// # Errors
/// [`StoreError`].
pub async fn remove_member(
    db: &mut AnyConnection,
    team: TeamId,
    user: UserId,
) -> Result<bool, StoreError> {
    query("DELETE FROM team_members WHERE team = $1 AND user_id = $2")
        .id(team)
        .id(user)
        .changed(db)
        .await
}
