//! Which role somebody holds at which place of the tree.

use culvert_wire::UnixMs;
use culvert_wire::api::{Named, NodeRef, Role};
use culvert_wire::id::{AssignmentId, CustomerId, HostId, SiteId, TeamId, UserId};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::StoreError;
use super::column::Columns as _;
use super::statement::query;
use crate::authz::{Held, Node};

/// Who holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A person.
    User(UserId),
    /// Everybody of a team.
    Team(TeamId),
}

/// A role of somebody's at a place.
#[derive(Debug, Clone)]
pub struct Assignment {
    /// Which.
    pub id: AssignmentId,
    /// Whose.
    pub subject: Subject,
    /// The person's or team's name.
    pub subject_name: String,
    /// The role.
    pub role: Role,
    /// Where.
    pub node: Node,
    /// The customer's, site's and host's names, as far as there are some.
    pub path: Vec<String>,
    /// When it was given.
    pub granted: UnixMs,
    /// By whom: her name at that time.
    pub granted_by: String,
}

const SELECT: &str = "SELECT a.*, u.name AS user_name, t.name AS team_name, \
    c.id AS c_id, c.name AS c_name, s.id AS s_id, s.name AS s_name, \
    h.id AS h_id, h.name AS h_name FROM assignments a \
    LEFT JOIN users u ON u.id = a.user_id \
    LEFT JOIN teams t ON t.id = a.team \
    LEFT JOIN hosts h ON a.kind = 'host' AND h.id = a.node \
    LEFT JOIN sites s ON (a.kind = 'site' AND s.id = a.node) OR s.id = h.site \
    LEFT JOIN customers c ON (a.kind = 'customer' AND c.id = a.node) OR c.id = s.customer";

fn read(row: &AnyRow) -> Result<Assignment, StoreError> {
    let subject = match (row.maybe_parsed("user_id")?, row.maybe_parsed("team")?) {
        (Some(user), None) => Subject::User(user),
        (None, Some(team)) => Subject::Team(team),
        (None, None) | (Some(_), Some(_)) => return Err(unknown("user_id")),
    };
    let name = match subject {
        Subject::User(_) => row.maybe_text("user_name")?,
        Subject::Team(_) => row.maybe_text("team_name")?,
    };
    let names = ["c_name", "s_name", "h_name"].map(|column| row.maybe_text(column));
    let mut path = Vec::new();
    for name in names {
        path.extend(name?);
    }
    Ok(Assignment {
        id: row.parsed("id")?,
        subject,
        subject_name: name.unwrap_or_default(),
        role: row.parsed("role")?,
        node: node(row)?,
        path,
        granted: row.time("granted")?,
        granted_by: row.text("granted_by")?,
    })
}

fn node(row: &AnyRow) -> Result<Node, StoreError> {
    let customer = row.maybe_parsed::<CustomerId>("c_id")?;
    let site = row.maybe_parsed::<SiteId>("s_id")?;
    let host = row.maybe_parsed::<HostId>("h_id")?;
    match (row.text("kind")?.as_str(), customer, site, host) {
        ("all", ..) => Ok(Node::All),
        ("customer", Some(customer), ..) => Ok(Node::Customer(customer)),
        ("site", Some(customer), Some(site), _) => Ok(Node::Site { customer, site }),
        ("host", Some(customer), Some(site), Some(host)) => Ok(Node::Host {
            customer,
            site,
            host,
        }),
        _ => Err(unknown("kind")),
    }
}

fn unknown(column: &str) -> StoreError {
    StoreError::Value {
        column: column.into(),
    }
}

/// Gives a role.
///
/// # Errors
/// [`StoreError::Taken`] when it was given already.
pub async fn add(db: &mut AnyConnection, assignment: &Assignment) -> Result<(), StoreError> {
    let (user, team) = match assignment.subject {
        Subject::User(user) => (Some(user.to_string()), None),
        Subject::Team(team) => (None, Some(team.to_string())),
    };
    let sql = "INSERT INTO assignments (id, user_id, team, role, kind, node, granted, granted_by) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let node = assignment.node.short();
    query(sql)
        .id(assignment.id)
        .bind(user)
        .bind(team)
        .bind(assignment.role.name())
        .bind(node.kind())
        .bind(node.id())
        .time(assignment.granted)
        .bind(&assignment.granted_by)
        .run(db)
        .await
}

/// Takes one away.
///
/// # Errors
/// [`StoreError`].
pub async fn remove(db: &mut AnyConnection, id: AssignmentId) -> Result<(), StoreError> {
    query("DELETE FROM assignments WHERE id = $1")
        .id(id)
        .run(db)
        .await
}

/// Forgets those at a place that is removed.
///
/// # Errors
/// [`StoreError`].
pub async fn forget_node(db: &mut AnyConnection, node: NodeRef) -> Result<(), StoreError> {
    query("DELETE FROM assignments WHERE kind = $1 AND node = $2")
        .bind(node.kind())
        .bind(node.id())
        .run(db)
        .await
}

/// The assignment of an id.
///
/// # Errors
/// [`StoreError`].
pub async fn by_id(
    db: &mut AnyConnection,
    id: AssignmentId,
) -> Result<Option<Assignment>, StoreError> {
    query(sqlx::AssertSqlSafe(format!("{SELECT} WHERE a.id = $1")))
        .id(id)
        .one(db, read)
        .await
}

/// Which assignments.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter {
    /// Of this person alone, not of her teams.
    pub user: Option<UserId>,
    /// Of this team.
    pub team: Option<TeamId>,
    /// At this very place.
    pub node: Option<NodeRef>,
}

/// Assignments, by place and name.
///
/// # Errors
/// [`StoreError`].
pub async fn list(db: &mut AnyConnection, filter: &Filter) -> Result<Vec<Assignment>, StoreError> {
    let sql = format!(
        "{SELECT} WHERE ($1 = '' OR a.user_id = $1) AND ($2 = '' OR a.team = $2) \
         AND ($3 = '' OR (a.kind = $3 AND a.node = $4)) \
         ORDER BY c.name_key, s.name_key, h.name_key, a.role, t.name_key, u.name_key, a.id"
    );
    query(sqlx::AssertSqlSafe(sql))
        .id_or_all(filter.user)
        .id_or_all(filter.team)
        .bind(filter.node.map_or("", |node| node.kind()))
        .bind(filter.node.map(|node| node.id()).unwrap_or_default())
        .all(db, read)
        .await
}

/// What a person holds by herself and by her teams.
///
/// # Errors
/// [`StoreError`].
pub async fn of_person(
    db: &mut AnyConnection,
    user: UserId,
) -> Result<Vec<Assignment>, StoreError> {
    let sql = format!(
        "{SELECT} WHERE a.user_id = $1 \
         OR a.team IN (SELECT team FROM team_members WHERE user_id = $1) \
         ORDER BY c.name_key, s.name_key, h.name_key, a.role, a.id"
    );
    query(sqlx::AssertSqlSafe(sql)).id(user).all(db, read).await
}

/// The same, as rights.
///
/// # Errors
/// [`StoreError`].
pub async fn held(db: &mut AnyConnection, user: UserId) -> Result<Vec<Held>, StoreError> {
    let all = of_person(db, user).await?;
    let held = all.into_iter().map(|assignment| Held {
        role: assignment.role,
        node: assignment.node,
    });
    Ok(held.collect())
}

/// People who are not shut out and own everything.
///
/// # Errors
/// [`StoreError`].
pub async fn owners(db: &mut AnyConnection) -> Result<Vec<Named<UserId>>, StoreError> {
    let sql = "SELECT u.id AS id, u.name AS name FROM assignments a \
               JOIN users u ON u.id = a.user_id \
               WHERE a.role = 'owner' AND a.kind = 'all' AND u.disabled = 0 ORDER BY u.name_key";
    query(sql).all(db, |row| row.named("id", "name")).await
}
