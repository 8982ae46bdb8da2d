//! Which scopes may be asked for: an allow-list that denies what it does not name, and names for scopes.
//!
//! Used by `callers` and the forms. The authority is sent the words of the list, never those of the caller.

use std::collections::BTreeMap;

/// Longest list.
const MAX_ENTRIES: usize = 256;
/// What a client asks for at Entra when it wants all that it was granted on a resource.
const DEFAULT: &str = "/.default";

/// Why a scope cannot be allowed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// Nothing, or nothing that can be seen.
    #[error(
        "'{0}' is no scope: expected text without control characters, for example https://graph.microsoft.com/.default"
    )]
    NotAScope(String),
    /// Two at once.
    #[error("'{0}' names more than one resource; a token is for one, so allow each by itself")]
    Several(String),
    /// Too many.
    #[error("more than {MAX_ENTRIES} scopes in one list")]
    TooMany,
    /// A name that cannot stand in a path.
    #[error("'{0}' is no name of an API: expected letters, digits, '.', '-' and '_', at most 64")]
    NotAName(String),
    /// A name that is given twice.
    #[error("the API '{0}' is given twice")]
    Twice(String),
}

/// Scopes that may be asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowList {
    /// As they are sent to the authority.
    scopes: Vec<String>,
    is_entra: bool,
}

impl AllowList {
    /// The list of these entries: scopes, or, for Entra, resources.
    ///
    /// # Errors
    /// [`ScopeError`] naming the entry.
    pub fn new<'a>(entries: impl IntoIterator<Item = &'a str>, is_entra: bool) -> Result<Self, ScopeError> {
        let mut scopes = Vec::new();
        for entry in entries {
            let words: Vec<&str> = entry.split_ascii_whitespace().collect();
            if words.is_empty() || entry.chars().any(char::is_control) || entry.len() > 1_024 {
                return Err(ScopeError::NotAScope(entry.chars().filter(|c| !c.is_control()).take(80).collect()));
            }
            if is_entra && words.len() > 1 {
                return Err(ScopeError::Several(entry.to_owned()));
            }
            let mut scope = words.join(" ");
            if is_entra && !scope.ends_with(DEFAULT) {
                scope.push_str(DEFAULT);
            }
            if !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
        if scopes.len() > MAX_ENTRIES { Err(ScopeError::TooMany) } else { Ok(Self { scopes, is_entra }) }
    }

    /// The entry that a scope means. A resource stands for its `/.default`, with or without a slash behind it, since SDKs cut the
    /// one or add the other on the way.
    pub fn find(&self, asked: &str) -> Option<&str> {
        let words: Vec<&str> = asked.split_ascii_whitespace().collect();
        let asked = words.join(" ");
        let key = |scope: &str| {
            if !self.is_entra {
                return scope.to_owned();
            }
            scope.strip_suffix(DEFAULT).unwrap_or(scope).trim_end_matches('/').to_owned()
        };
        let wanted = key(&asked);
        self.scopes
            .iter()
            .find(|s| **s == asked)
            .or_else(|| self.scopes.iter().find(|s| key(s) == wanted))
            .map(String::as_str)
    }

    /// The only entry, for requests that name none.
    pub fn only(&self) -> Option<&str> {
        match self.scopes.as_slice() {
            [one] => Some(one),
            _ => None,
        }
    }

    /// Whether nothing is allowed.
    pub fn is_empty(&self) -> bool {
        self.scopes.is_empty()
    }

    /// The entries.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.scopes.iter().map(String::as_str)
    }
}

/// Scopes by name, as `DownstreamApis` has them in Microsoft's configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Apis(BTreeMap<String, String>);

impl Apis {
    /// Adds a name. Names differ by more than case, as they do there.
    ///
    /// # Errors
    /// [`ScopeError`]
    pub fn add(&mut self, name: &str, scope: &str, is_entra: bool) -> Result<(), ScopeError> {
        let fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if name.is_empty() || name.len() > 64 || !name.chars().all(fit) {
            return Err(ScopeError::NotAName(name.chars().filter(|c| !c.is_control()).take(80).collect()));
        }
        let list = AllowList::new([scope], is_entra)?;
        let scope = list.only().unwrap_or_default().to_owned();
        match self.0.insert(name.to_ascii_lowercase(), scope) {
            None => Ok(()),
            Some(_) => Err(ScopeError::Twice(name.to_owned())),
        }
    }

    /// The scope of that name.
    pub fn find(&self, name: &str) -> Option<&str> {
        self.0.get(&name.to_ascii_lowercase()).map(String::as_str)
    }

    /// Every scope that has a name.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.0.values().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_and_its_default_scope_are_one() {
        let list = AllowList::new(["https://graph.microsoft.com", "https://management.azure.com/"], true).unwrap();
        for asked in
            ["https://graph.microsoft.com/.default", "https://graph.microsoft.com", "https://graph.microsoft.com/"]
        {
            assert_eq!(list.find(asked), Some("https://graph.microsoft.com/.default"), "{asked}");
        }
        for asked in [
            "https://management.azure.com",
            "https://management.azure.com//.default",
            "https://management.azure.com/.default",
        ] {
            assert_eq!(list.find(asked), Some("https://management.azure.com//.default"), "{asked}");
        }
        for other in [
            "",
            "https://graph.microsoft.com/User.Read",
            "https://graph.microsoft.com.evil.example",
            "https://GRAPH.microsoft.com",
            "https://graph.microsoft.com/.default https://management.azure.com/.default",
            "/.default",
        ] {
            assert_eq!(list.find(other), None, "{other}");
        }
    }

    #[test]
    fn elsewhere_a_scope_is_its_words() {
        let list = AllowList::new(["read  write"], false).unwrap();
        assert_eq!(
            (list.find("read write"), list.find("read"), list.only()),
            (Some("read write"), None, Some("read write"))
        );
        assert_eq!(AllowList::new([" "], false), Err(ScopeError::NotAScope(" ".to_owned())));
        assert!(matches!(AllowList::new(["a b"], true), Err(ScopeError::Several(_))));
        assert!(AllowList::default().find("").is_none());
    }

    #[test]
    fn apis_are_found_whatever_the_case() {
        let mut apis = Apis::default();
        apis.add("Graph", "https://graph.microsoft.com", true).unwrap();
        assert_eq!(apis.find("graph"), Some("https://graph.microsoft.com/.default"));
        assert_eq!(apis.add("GRAPH", "x", true), Err(ScopeError::Twice("GRAPH".to_owned())));
        assert!(matches!(apis.add("a/b", "x", true), Err(ScopeError::NotAName(_))));
    }
}
