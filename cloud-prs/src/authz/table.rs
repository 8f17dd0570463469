//! The table: every action, where it is asked for, and which roles may.
//!
//! Everything that is not here is denied.

use culvert_wire::api::{Role, TokenScope};

/// Where an action takes place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// At the caller's own account: nobody's role matters.
    Own,
    /// At everything: a role at a part is not enough.
    Root,
    /// At the customer it is about: a role at a part of it is not enough.
    Customer,
    /// At the place in the tree where its object is.
    Node,
}

impl Place {
    const fn name(self) -> &'static str {
        match self {
            Self::Own => "own account",
            Self::Root => "everything",
            Self::Customer => "its customer",
            Self::Node => "its place",
        }
    }
}

/// Whether a proof of some minutes ago is enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The sign-in will do.
    SignIn,
    /// The person has to have proved herself in the last minutes.
    Fresh,
}

macro_rules! actions {
    ($($name:ident $text:literal $place:ident $roles:ident $scope:ident $proof:ident;)*) => {
        /// Something that a call does.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Action {
            $(#[doc = $text] $name,)*
        }

        impl Action {
            /// Every action.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Its name, as the audit trail has it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// Where it takes place.
            pub const fn place(self) -> Place {
                match self { $(Self::$name => Place::$place,)* }
            }

            /// The roles that may do it there.
            pub const fn roles(self) -> &'static [Role] {
                match self { $(Self::$name => $roles,)* }
            }

            /// The scope an API token needs; none: a sign-in only.
            pub const fn scope(self) -> Option<TokenScope> {
                match self { $(Self::$name => $scope,)* }
            }

            /// How new the person's proof has to be.
            pub const fn proof(self) -> Proof {
                match self { $(Self::$name => Proof::$proof,)* }
            }
        }
    };
}

const READ: Option<TokenScope> = Some(TokenScope::Read);
const CONNECT: Option<TokenScope> = Some(TokenScope::Connect);
const REPORT: Option<TokenScope> = Some(TokenScope::Report);
const MANAGE: Option<TokenScope> = Some(TokenScope::Manage);
const PERSON: Option<TokenScope> = None;

const EVERYBODY: &[Role] = &Role::ALL;
const TECHNICIANS: &[Role] = &[Role::Technician, Role::Administrator, Role::Owner];
const ADMINISTRATORS: &[Role] = &[Role::Administrator, Role::Owner];
const OWNERS: &[Role] = &[Role::Owner];
/// Who sees everybody's work: not the technicians, who see their own.
const OVERSEERS: &[Role] = &[Role::Reader, Role::Administrator, Role::Owner];

actions! {
    MeSee "me.see" Own EVERYBODY READ SignIn;
    MePassword "me.password" Own EVERYBODY PERSON SignIn;
    MeFactors "me.factors" Own EVERYBODY PERSON Fresh;
    StepUp "step-up" Own EVERYBODY PERSON SignIn;
    SignOut "sign-out" Own EVERYBODY PERSON SignIn;
    TokenList "token.list" Own EVERYBODY PERSON SignIn;
    TokenAdd "token.add" Own EVERYBODY PERSON Fresh;
    TokenRevoke "token.revoke" Own EVERYBODY PERSON SignIn;
    TreeSee "tree.see" Node TECHNICIANS READ SignIn;
    FavouriteChange "favourite.change" Node TECHNICIANS PERSON SignIn;
    NotesChange "notes.change" Node TECHNICIANS MANAGE SignIn;
    CredentialSee "credential.see" Node TECHNICIANS READ SignIn;
    CredentialChange "credential.change" Node TECHNICIANS PERSON SignIn;
    HandOver "hand-over.approve" Own EVERYBODY PERSON Fresh;
    WebhookList "webhook.list" Root ADMINISTRATORS PERSON SignIn;
    WebhookChange "webhook.change" Root ADMINISTRATORS PERSON Fresh;
    CustomerAdd "customer.add" Root ADMINISTRATORS MANAGE SignIn;
    CustomerChange "customer.change" Customer ADMINISTRATORS MANAGE SignIn;
    CustomerDelete "customer.delete" Root ADMINISTRATORS MANAGE Fresh;
    SiteAdd "site.add" Customer ADMINISTRATORS MANAGE SignIn;
    SiteChange "site.change" Node ADMINISTRATORS MANAGE SignIn;
    SiteDelete "site.delete" Node ADMINISTRATORS MANAGE Fresh;
    HostAdd "host.add" Node ADMINISTRATORS MANAGE SignIn;
    HostChange "host.change" Node ADMINISTRATORS MANAGE SignIn;
    HostDelete "host.delete" Node ADMINISTRATORS MANAGE Fresh;
    HostAccess "host.access" Node ADMINISTRATORS PERSON SignIn;
    GatewayAssign "gateway.assign" Node ADMINISTRATORS MANAGE SignIn;
    GatewayRevoke "gateway.revoke" Node ADMINISTRATORS MANAGE Fresh;
    GatewayRelease "gateway.release" Node ADMINISTRATORS MANAGE Fresh;
    GatewayReplace "gateway.replace" Node ADMINISTRATORS MANAGE Fresh;
    ClaimList "claim.list" Node ADMINISTRATORS MANAGE SignIn;
    ClaimAdd "claim.add" Node ADMINISTRATORS MANAGE SignIn;
    ClaimVoid "claim.void" Node ADMINISTRATORS MANAGE SignIn;
    ReleaseSee "release.see" Root OWNERS READ SignIn;
    ReleaseManage "release.manage" Root OWNERS PERSON Fresh;
    SessionSee "session.see" Node TECHNICIANS READ SignIn;
    SessionSeeAll "session.see-all" Node ADMINISTRATORS READ SignIn;
    SessionStart "session.start" Node TECHNICIANS CONNECT SignIn;
    SessionRenew "session.renew" Node TECHNICIANS CONNECT SignIn;
    SessionEnd "session.end" Node TECHNICIANS CONNECT SignIn;
    SessionEndAny "session.end-any" Node ADMINISTRATORS CONNECT SignIn;
    Launch "launch.add" Node TECHNICIANS CONNECT SignIn;
    Report "report.see" Node EVERYBODY REPORT SignIn;
    ReportAll "report.see-all" Node OVERSEERS REPORT SignIn;
    AuditSee "audit.see" Customer ADMINISTRATORS REPORT SignIn;
    UserList "user.list" Node ADMINISTRATORS PERSON SignIn;
    UserAdd "user.add" Root ADMINISTRATORS PERSON Fresh;
    UserChange "user.change" Node ADMINISTRATORS PERSON Fresh;
    UserReset "user.reset" Node ADMINISTRATORS PERSON Fresh;
    UserLeaving "user.leaving" Node ADMINISTRATORS PERSON SignIn;
    UserOffBoard "user.off-board" Node ADMINISTRATORS PERSON Fresh;
    TeamList "team.list" Node ADMINISTRATORS PERSON SignIn;
    TeamAdd "team.add" Root ADMINISTRATORS PERSON SignIn;
    TeamChange "team.change" Root ADMINISTRATORS PERSON SignIn;
    TeamDelete "team.delete" Root ADMINISTRATORS PERSON Fresh;
    TeamMember "team.member" Root ADMINISTRATORS PERSON Fresh;
    AssignmentList "assignment.list" Node ADMINISTRATORS PERSON SignIn;
    AssignmentAdd "assignment.add" Node ADMINISTRATORS PERSON Fresh;
    AssignmentRemove "assignment.remove" Node ADMINISTRATORS PERSON Fresh;
    InvitationList "invitation.list" Node ADMINISTRATORS PERSON SignIn;
    InvitationAdd "invitation.add" Node ADMINISTRATORS PERSON Fresh;
    InvitationVoid "invitation.void" Node ADMINISTRATORS PERSON SignIn;
}

/// The table, as text: action × role, where, what an API token needs, whether
/// a fresh proof is needed.
pub fn text() -> String {
    let mut out = String::from(
        "# Who may do what. Everything that is not here is denied.\n\
         # A role is held at everything, a customer, a site or a host, and holds for what is\n\
         # below. `everything`: the role must be held at everything; `its customer`: at the\n\
         # whole customer or everything. Nobody grants a role that she does not hold at that\n\
         # place; owners are made on the server's console only.\n\
         # action             at           reader  technician  administrator  owner  \
         API token's scope  proof\n",
    );
    for action in Action::ALL {
        let may = |role: Role| match (action.place(), action.roles().contains(&role)) {
            (Place::Own, _) | (_, true) => "yes",
            (Place::Root | Place::Customer | Place::Node, false) => "-",
        };
        let scope = action.scope().map_or("(sign-in only)", TokenScope::name);
        let proof = match action.proof() {
            Proof::SignIn => "",
            Proof::Fresh => "fresh",
        };
        let line = format!(
            "{:<21}{:<13}{:<8}{:<12}{:<15}{:<7}{scope:<19}{proof}",
            action.name(),
            action.place().name(),
            may(Role::Reader),
            may(Role::Technician),
            may(Role::Administrator),
            may(Role::Owner),
        );
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}
