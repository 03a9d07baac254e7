//! What somebody is given who signs in: roles and branches, as a link or an identity provider's claim states them.
//!
//! A token has one set of branches for all its roles. So roles for different branches are refused, not widened to each other's.

use std::collections::{BTreeMap, BTreeSet};

use tact_domain::Branch;
use tact_service::access::Role;

/// Roles, and the branches that they hold for; `None`: all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The roles, each once.
    pub roles: Vec<Role>,
    /// The branches.
    pub branches: Option<BTreeSet<Branch>>,
}

/// Why nothing is given. Said to whoever signs in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Nothing is stated.
    #[error("no role in Tact is given to you; ask whoever runs your sign-in to give you one")]
    NoRole,
    /// Something that is no role.
    #[error("your sign-in says `{0}`, but {1}; ask whoever runs your sign-in to correct it")]
    NoSuchRole(String, String),
    /// Something that is no branch.
    #[error("your sign-in says `{0}`, but `{1}` is not the code of a branch; ask whoever runs your sign-in to correct it")]
    NoSuchBranch(String, String),
    /// The role of a program.
    #[error("`system` is the role of a program, and no person signs in with it; ask whoever runs your sign-in to correct it")]
    Program,
    /// Roles that hold for different branches.
    #[error(
        "your sign-in gives `{0}` and `{1}` for different branches; in one session every role holds for the same branches, so ask whoever runs \
         your sign-in to give you one of them, or both for the same branches"
    )]
    Mixed(Word, Word),
}

/// A role by its word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word(pub Role);

impl std::fmt::Display for Word {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl Grant {
    /// What a claim gives: entries such as `administrator@north` and `network_manager`, the latter for all branches. Whether the branches exist,
    /// the caller knows.
    ///
    /// # Errors
    /// [`Refused`]: an entry that cannot be understood gives nothing at all, since nobody knows what was meant.
    pub fn read(entries: &[String]) -> Result<Self, Refused> {
        let mut given: BTreeMap<Role, Option<BTreeSet<Branch>>> = BTreeMap::new();
        for entry in entries {
            let (word, branch) = match entry.split_once('@') {
                Some((word, branch)) => (word, Some(branch)),
                None => (entry.as_str(), None),
            };
            // Texts of others go into the answer: cut, they cannot fill it.
            let shown = || entry.chars().take(80).collect::<String>();
            let role: Role = word.parse().map_err(|why: String| Refused::NoSuchRole(shown(), why.chars().take(300).collect()))?;
            if role == Role::System {
                return Err(Refused::Program);
            }
            let branch = branch
                .map(|code| code.parse::<Branch>().map_err(|_| Refused::NoSuchBranch(shown(), code.chars().take(80).collect())))
                .transpose()?;
            match (given.entry(role).or_insert_with(|| Some(BTreeSet::new())), branch) {
                (Some(branches), Some(branch)) => drop(branches.insert(branch)),
                (all, None) => *all = None,
                (None, Some(_)) => {}
            }
        }
        // Whoever manages the whole network may do everywhere whatever the desk of a branch may.
        if given.get(&Role::NetworkManager) == Some(&None) {
            for role in [Role::Administrator, Role::Clinician] {
                if let Some(branches) = given.get_mut(&role) {
                    *branches = None;
                }
            }
        }
        let mut each = given.iter();
        let Some((first, branches)) = each.next() else { return Err(Refused::NoRole) };
        if let Some((other, _)) = each.find(|(_, others)| *others != branches) {
            return Err(Refused::Mixed(Word(*first), Word(*other)));
        }
        Ok(Self { branches: branches.clone(), roles: given.keys().copied().collect() })
    }

    /// The roles' words.
    pub fn role_words(&self) -> Vec<String> {
        self.roles.iter().map(|role| role.as_str().to_owned()).collect()
    }

    /// The branches' codes.
    pub fn branch_codes(&self) -> Option<Vec<String>> {
        self.branches.as_ref().map(|branches| branches.iter().map(ToString::to_string).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(entries: &[&str]) -> Result<Grant, Refused> {
        Grant::read(&entries.iter().map(|entry| (*entry).to_owned()).collect::<Vec<_>>())
    }

    fn given(entries: &[&str]) -> (Vec<String>, Option<Vec<String>>) {
        let grant = read(entries).unwrap();
        (grant.role_words(), grant.branch_codes())
    }

    #[test]
    fn roles_hold_for_the_branches_that_are_stated() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert_eq!(given(&["administrator@north"]), (words(&["administrator"]), Some(words(&["north"]))));
        assert_eq!(given(&["clinician@east", "clinician@north"]), (words(&["clinician"]), Some(words(&["east", "north"]))));
        assert_eq!(given(&["regulator"]), (words(&["regulator"]), None));
        assert_eq!(given(&["administrator@north", "administrator"]), (words(&["administrator"]), None));
        assert_eq!(
            given(&["administrator@north", "network_manager"]),
            (words(&["administrator", "network_manager"]), None),
            "a manager of the network may do at each branch what its desk may"
        );
    }

    #[test]
    fn nobody_gets_a_role_at_a_branch_where_it_was_not_given() {
        assert!(matches!(read(&["administrator@north", "clinician@east"]), Err(Refused::Mixed(..))));
        assert!(matches!(read(&["administrator@north", "regulator"]), Err(Refused::Mixed(..))));
        assert!(matches!(read(&["analyst", "network_manager@north"]), Err(Refused::Mixed(..))));
    }

    #[test]
    fn what_is_not_understood_gives_nothing_and_is_named() {
        assert_eq!(read(&[]), Err(Refused::NoRole));
        assert_eq!(read(&["system"]), Err(Refused::Program));
        let said = read(&["administrator@north", "administratr@north"]).unwrap_err().to_string();
        assert!(said.contains("`administratr@north`") && said.contains("did you mean `administrator`?"), "{said}");
        let said = read(&["administrator@North Star"]).unwrap_err().to_string();
        assert!(said.contains("`North Star`"), "{said}");
        assert!(read(&["administrator@"]).is_err());
    }

    #[test]
    fn a_network_manager_may_whatever_a_desk_may() {
        use tact_service::Permission as P;
        for permission in [
            P::Contact,
            P::Consent,
            P::Appointment,
            P::Register,
            P::Merge,
            P::Erase,
            P::SeeErasure,
            P::SeePerson,
            P::SeeHistory,
            P::ExportHistory,
            P::SeeWorklist,
            P::Refer,
            P::Feedback,
            P::SeeFigures,
            P::Audit,
            P::SeeLooks,
            P::ReadFeed,
            P::SeeDirectory,
            P::ManageDirectory,
            P::PublishPolicy,
            P::ManageAccess,
            P::Operate,
        ] {
            let roles = permission.roles();
            if roles.contains(&Role::Administrator) || roles.contains(&Role::Clinician) {
                assert!(roles.contains(&Role::NetworkManager), "{permission:?}");
            }
        }
    }
}
