//! Favourites, recent hosts, notes and tags; a host's past, and who is on it.

use culvert_wire::UnixMs;
use culvert_wire::api::Named;
use culvert_wire::grant::Protocol;
use culvert_wire::id::{HostId, UserId};
use serde_json::json;

use super::trail::Event;
use super::tree::reachable_host;
use super::{App, AppError, Call};
use crate::authz::Action;
use crate::store::marks::{self, Notes};
use crate::store::sessions::{self, Filter, Session};

/// Recent hosts in an answer.
const RECENT: u32 = 20;
/// Longest notes, in bytes.
const MAX_NOTES: usize = 8 * 1024;
/// Tags of one host.
const MAX_TAGS: usize = 16;
/// Longest tag, in bytes.
const MAX_TAG: usize = 40;
/// Sessions in a host's history.
const HISTORY: u32 = 100;

/// What a host's notes shall be; what is left out stays as it is.
#[derive(Debug, Clone, Default, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NotesChange {
    /// Free text.
    pub notes: Option<String>,
    /// Words to find the host by.
    pub tags: Option<Vec<String>>,
}

/// A host on which the asker worked.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct Recent {
    /// Which.
    pub id: HostId,
    /// When last.
    pub at: UnixMs,
    /// What was spoken then.
    pub protocol: Protocol,
}

/// Somebody who works on a host.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Presence {
    /// Who.
    pub id: UserId,
    /// Her name.
    pub name: String,
    /// Since when.
    pub since: UnixMs,
    /// What she speaks.
    pub protocol: Protocol,
}

impl From<Session> for Presence {
    fn from(session: Session) -> Self {
        let Named { id, name } = session.user;
        Self {
            id,
            name,
            since: session.started,
            protocol: session.protocol,
        }
    }
}

impl App {
    /// Marks a host for the asker, or takes the mark away.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn set_favourite(
        &self,
        call: &Call,
        host: HostId,
        marked: bool,
    ) -> Result<(), AppError> {
        call.needs(Action::FavouriteChange)?;
        let user = call.actor.user().ok_or_else(AppError::not_allowed)?;
        let mut write = self.store.write().await?;
        let host = reachable_host(&mut write, call, Action::FavouriteChange, host).await?;
        if marks::set_favourite(&mut write, user, host.id, marked, self.now()).await? {
            let event = Event::done("favourite.change", Some(host.customer.id), host.id)
                .before(json!({ "favourite": !marked }))
                .after(json!({ "favourite": marked }));
            self.record(&mut write, &call.into(), event).await?;
        }
        Ok(write.commit().await?)
    }

    /// Where the asker worked last.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn recent(&self, call: &Call) -> Result<Vec<Recent>, AppError> {
        call.needs(Action::SessionSee)?;
        let user = call.actor.user().ok_or_else(AppError::not_allowed)?;
        let mut db = self.store.read().await?;
        let mut recent = Vec::new();
        for visit in marks::visits(&mut db, user, RECENT).await? {
            match reachable_host(&mut db, call, Action::TreeSee, visit.host).await {
                Ok(host) => recent.push(Recent {
                    id: host.id,
                    at: visit.at,
                    protocol: visit.protocol,
                }),
                // Gone since, or no longer hers.
                Err(error) if error.source.is_none() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(recent)
    }

    /// A host's notes and tags.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn notes(&self, call: &Call, host: HostId) -> Result<Notes, AppError> {
        call.needs(Action::TreeSee)?;
        let mut db = self.store.read().await?;
        let host = reachable_host(&mut db, call, Action::TreeSee, host).await?;
        Ok(marks::notes(&mut db, host.id).await?)
    }

    /// Changes a host's notes and tags.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn change_notes(
        &self,
        call: &Call,
        host: HostId,
        change: NotesChange,
    ) -> Result<Notes, AppError> {
        call.needs(Action::NotesChange)?;
        let mut write = self.store.write().await?;
        let host = reachable_host(&mut write, call, Action::NotesChange, host).await?;
        let before = marks::notes(&mut write, host.id).await?;
        let after = Notes {
            notes: match change.notes {
                Some(text) => notes_text(text)?,
                None => before.notes.clone(),
            },
            tags: match change.tags {
                Some(words) => tags(words)?,
                None => before.tags.clone(),
            },
        };
        marks::set_notes(&mut write, host.id, &after).await?;
        // The text itself may be long: the trail says that it changed.
        let event = Event::done("notes.change", Some(host.customer.id), host.id)
            .before(json!({ "tags": before.tags }))
            .after(json!({ "tags": after.tags, "text_changed": before.notes != after.notes }));
        self.record(&mut write, &call.into(), event).await?;
        self.commit(write).await?;
        Ok(after)
    }

    /// Sessions on a host: running ones first, then the newest.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn history(&self, call: &Call, host: HostId) -> Result<Vec<Session>, AppError> {
        call.needs(Action::SessionSee)?;
        let mut db = self.store.read().await?;
        let host = reachable_host(&mut db, call, Action::SessionSee, host).await?;
        let filter = Filter {
            host: Some(host.id),
            limit: Some(HISTORY),
            ..Default::default()
        };
        drop(db);
        let mut found = self
            .listed(call, filter, Action::SessionSee, Action::SessionSeeAll)
            .await?;
        found.sort_by_key(|session| session.ended.is_some());
        Ok(found)
    }

    /// Who works on a host now.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn presence(&self, call: &Call, host: HostId) -> Result<Vec<Presence>, AppError> {
        call.needs(Action::TreeSee)?;
        let mut db = self.store.read().await?;
        let host = reachable_host(&mut db, call, Action::TreeSee, host).await?;
        let filter = Filter {
            host: Some(host.id),
            live: Some(true),
            worked: true,
            ..Default::default()
        };
        let live = sessions::list(&mut db, &filter).await?;
        Ok(live.into_iter().map(Presence::from).collect())
    }
}

pub(super) fn notes_text(text: String) -> Result<String, AppError> {
    let hidden = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    if text.len() > MAX_NOTES || text.chars().any(hidden) {
        return Err(AppError::invalid(format!(
            "notes have at most {MAX_NOTES} bytes and no control characters"
        )));
    }
    Ok(text)
}

/// Tags without doubles, in the order given.
pub(super) fn tags(words: Vec<String>) -> Result<Vec<String>, AppError> {
    let mut out: Vec<String> = Vec::new();
    for word in words {
        let word = super::names::name(&word)
            .map_err(|_| AppError::invalid("a tag has no control characters and is not empty"))?;
        let known = out
            .iter()
            .any(|tag| tag.to_lowercase() == word.to_lowercase());
        if word.len() > MAX_TAG || word.contains(',') {
            return Err(AppError::invalid(format!(
                "a tag has at most {MAX_TAG} bytes and no comma"
            )));
        }
        if !known {
            out.push(word);
        }
    }
    if out.len() > MAX_TAGS {
        return Err(AppError::invalid(format!(
            "a host has at most {MAX_TAGS} tags"
        )));
    }
    Ok(out)
}
