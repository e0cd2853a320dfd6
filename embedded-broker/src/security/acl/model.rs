//! Kafka's words for access, with the numbers they have on the wire.

/// Declares an enum with Kafka's codes, and the way back from a code.
macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $code:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) enum $name { $($variant = $code,)* }

        impl $name {
            /// The one with this code; `None` for Kafka's UNKNOWN, ANY and what is not there at all.
            pub(crate) fn from_code(code: i8) -> Option<Self> {
                match code {
                    $($code => Some(Self::$variant),)*
                    _ => None,
                }
            }

            pub(crate) fn code(self) -> i8 {
                self as i8
            }
        }
    };
}

codes! {
    /// `org.apache.kafka.common.acl.AclOperation`.
    Operation {
        All = 2,
        Read = 3,
        Write = 4,
        Create = 5,
        Delete = 6,
        Alter = 7,
        Describe = 8,
        ClusterAction = 9,
        DescribeConfigs = 10,
        AlterConfigs = 11,
        IdempotentWrite = 12,
        CreateTokens = 13,
        DescribeTokens = 14,
        TwoPhaseCommit = 15,
    }
}

codes! {
    /// `org.apache.kafka.common.resource.ResourceType`.
    ResourceType {
        Topic = 2,
        Group = 3,
        Cluster = 4,
        TransactionalId = 5,
        DelegationToken = 6,
        User = 7,
    }
}

codes! {
    /// `org.apache.kafka.common.resource.PatternType`, of those a binding can have.
    PatternType {
        Literal = 3,
        Prefixed = 4,
    }
}

codes! {
    /// `org.apache.kafka.common.acl.AclPermissionType`.
    Permission {
        Deny = 2,
        Allow = 3,
    }
}

/// Stands for every name of a literal pattern, and for every host.
pub(crate) const WILDCARD: &str = "*";
/// Stands for every user.
pub(crate) const EVERY_USER: &str = "User:*";
/// Codes of a filter that lets everything pass.
pub(crate) const ANY: i8 = 1;
/// A filter's pattern type that finds whatever pattern the name falls under.
pub(crate) const MATCH: i8 = 2;

impl Operation {
    /// Those one may ask about a resource of this type, in "authorized operations".
    pub(crate) fn of(resource: ResourceType) -> &'static [Operation] {
        use Operation::{
            Alter, AlterConfigs, ClusterAction, Create, CreateTokens, Delete, Describe, DescribeConfigs, DescribeTokens, IdempotentWrite,
            Read, TwoPhaseCommit, Write,
        };
        match resource {
            ResourceType::Topic => &[Read, Write, Create, Describe, Delete, Alter, DescribeConfigs, AlterConfigs],
            ResourceType::Group => &[Read, Describe, Delete, DescribeConfigs, AlterConfigs],
            ResourceType::Cluster => &[Create, ClusterAction, DescribeConfigs, AlterConfigs, IdempotentWrite, Alter, Describe],
            ResourceType::TransactionalId => &[Describe, Write, TwoPhaseCommit],
            ResourceType::DelegationToken => &[Describe],
            ResourceType::User => &[CreateTokens, DescribeTokens],
        }
    }

    /// Whether being allowed `self` is being allowed `asked`. Being denied `self` is not being denied `asked`.
    pub(crate) fn implies(self, asked: Operation) -> bool {
        use Operation::{All, Alter, AlterConfigs, Delete, Describe, DescribeConfigs, Read, Write};
        match asked {
            _ if self == asked || self == All => true,
            Describe => matches!(self, Read | Write | Delete | Alter),
            DescribeConfigs => self == AlterConfigs,
            _ => false,
        }
    }
}

/// One rule: this principal from this host is allowed, or denied, an operation on all resources of a pattern.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Binding {
    pub(crate) resource: ResourceType,
    pub(crate) pattern: PatternType,
    pub(crate) name: String,
    /// As `User:name`.
    pub(crate) principal: String,
    pub(crate) host: String,
    pub(crate) operation: Operation,
    pub(crate) permission: Permission,
}

/// Which bindings a client means; codes as on the wire, checked by [`Filter::is_valid`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) resource: i8,
    pub(crate) pattern: i8,
    pub(crate) name: Option<String>,
    pub(crate) principal: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) operation: i8,
    pub(crate) permission: i8,
}

impl Filter {
    /// Every code means something.
    pub(crate) fn is_valid(&self) -> bool {
        (self.resource == ANY || ResourceType::from_code(self.resource).is_some())
            && (matches!(self.pattern, ANY | MATCH) || PatternType::from_code(self.pattern).is_some())
            && (self.operation == ANY || Operation::from_code(self.operation).is_some())
            && (self.permission == ANY || Permission::from_code(self.permission).is_some())
    }

    pub(crate) fn matches(&self, binding: &Binding) -> bool {
        let is_code = |wanted: i8, code: i8| wanted == ANY || wanted == code;
        let is_text = |wanted: &Option<String>, text: &str| wanted.as_ref().is_none_or(|wanted| wanted == text);
        is_code(self.resource, binding.resource.code())
            && is_code(self.operation, binding.operation.code())
            && is_code(self.permission, binding.permission.code())
            && is_text(&self.principal, &binding.principal)
            && is_text(&self.host, &binding.host)
            && self.matches_name(binding)
    }

    fn matches_name(&self, binding: &Binding) -> bool {
        let Some(name) = &self.name else { return matches!(self.pattern, ANY | MATCH) || self.pattern == binding.pattern.code() };
        match self.pattern {
            ANY => *name == binding.name,
            MATCH => binding.covers(name),
            pattern => pattern == binding.pattern.code() && *name == binding.name,
        }
    }
}

impl Binding {
    /// Whether a resource of this name falls under the pattern.
    pub(crate) fn covers(&self, name: &str) -> bool {
        match self.pattern {
            PatternType::Literal => self.name == name || self.name == WILDCARD,
            PatternType::Prefixed => name.starts_with(&self.name),
        }
    }
}
