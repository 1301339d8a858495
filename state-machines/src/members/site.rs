//! Where the tenants of a provider are that only engines of that site reach, such as the processes of a machine.

use serde::{Deserialize, Serialize};

/// A site: what a store remembers of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// A name that it keeps, and that no other has.
    pub id: String,
    /// Where that is, for people: machine and directory.
    pub at: String,
}

/// What an engine finds that begins at a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The tenants are here.
    Home,
    /// The tenants are here from now on, which the store has to remember.
    Settles,
    /// If there are any, the tenants are elsewhere, and may run there: none of them may be started here.
    Elsewhere,
}

/// What an engine finds at `here`, where the store remembers `there`. The site with the id `lost` is no more, nor what ran there.
pub fn arrive(there: Option<&Site>, here: &Site, lost: Option<&str>) -> Arrival {
    match there {
        // Nobody had such tenants yet, or builds that did not remember it.
        None => Arrival::Settles,
        Some(there) if there == here => Arrival::Home,
        // It is called something else now.
        Some(there) if there.id == here.id => Arrival::Settles,
        Some(there) if lost == Some(&*there.id) => Arrival::Settles,
        Some(_) => Arrival::Elsewhere,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_stay_at_their_site_until_that_very_one_is_lost() {
        let site = |id: &str, at: &str| Site { id: id.to_owned(), at: at.to_owned() };
        let (there, here) = (site("a", "one:/data"), site("b", "two:/data"));
        assert_eq!(arrive(None, &here, None), Arrival::Settles);
        assert_eq!(arrive(Some(&here), &here, None), Arrival::Home);
        assert_eq!(arrive(Some(&site("b", "renamed:/data")), &here, None), Arrival::Settles);
        assert_eq!(arrive(Some(&there), &here, None), Arrival::Elsewhere);
        assert_eq!(arrive(Some(&there), &here, Some("c")), Arrival::Elsewhere, "another one is lost");
        assert_eq!(arrive(Some(&there), &here, Some("a")), Arrival::Settles);
    }
}
