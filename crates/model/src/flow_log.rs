//! The fields of a flow log's records, as AWS names them [privatelink §9.2].

/// One field of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    missing_docs,
    reason = "AWS's own words, in the order of their versions"
)]
pub enum FlowField {
    Version,
    AccountId,
    InterfaceId,
    SrcAddr,
    DstAddr,
    SrcPort,
    DstPort,
    Protocol,
    Packets,
    Bytes,
    Start,
    End,
    Action,
    LogStatus,
    VpcId,
    SubnetId,
    InstanceId,
    TcpFlags,
    Type,
    PktSrcAddr,
    PktDstAddr,
    Region,
    AzId,
    SublocationType,
    SublocationId,
    PktSrcAwsService,
    PktDstAwsService,
    FlowDirection,
    TrafficPath,
}

/// Every field: itself, its name, and the version of the format that brought it.
const FIELDS: &[(FlowField, &str, u8)] = &[
    (FlowField::Version, "version", 2),
    (FlowField::AccountId, "account-id", 2),
    (FlowField::InterfaceId, "interface-id", 2),
    (FlowField::SrcAddr, "srcaddr", 2),
    (FlowField::DstAddr, "dstaddr", 2),
    (FlowField::SrcPort, "srcport", 2),
    (FlowField::DstPort, "dstport", 2),
    (FlowField::Protocol, "protocol", 2),
    (FlowField::Packets, "packets", 2),
    (FlowField::Bytes, "bytes", 2),
    (FlowField::Start, "start", 2),
    (FlowField::End, "end", 2),
    (FlowField::Action, "action", 2),
    (FlowField::LogStatus, "log-status", 2),
    (FlowField::VpcId, "vpc-id", 3),
    (FlowField::SubnetId, "subnet-id", 3),
    (FlowField::InstanceId, "instance-id", 3),
    (FlowField::TcpFlags, "tcp-flags", 3),
    (FlowField::Type, "type", 3),
    (FlowField::PktSrcAddr, "pkt-srcaddr", 3),
    (FlowField::PktDstAddr, "pkt-dstaddr", 3),
    (FlowField::Region, "region", 4),
    (FlowField::AzId, "az-id", 4),
    (FlowField::SublocationType, "sublocation-type", 4),
    (FlowField::SublocationId, "sublocation-id", 4),
    (FlowField::PktSrcAwsService, "pkt-src-aws-service", 5),
    (FlowField::PktDstAwsService, "pkt-dst-aws-service", 5),
    (FlowField::FlowDirection, "flow-direction", 5),
    (FlowField::TrafficPath, "traffic-path", 5),
];

/// How many fields the default format has: those of version 2.
const DEFAULT: usize = 14;
/// Fields of one format at most: each field a few times over.
const MOST: usize = 100;

/// Why a text is no record format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// It names nothing.
    #[error("LogFormat names no field")]
    Empty,
    /// It has more fields than any record needs.
    #[error("LogFormat has more than {MOST} fields")]
    Long,
    /// A word that is no field.
    #[error("Unknown fields provided: {0}")]
    Unknown(String),
}

impl FlowField {
    /// The name, as it stands in formats and in the first line of a file.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// The version of the format that brought it: 2 to 5.
    pub fn version(self) -> u8 {
        self.row().2
    }

    fn row(self) -> &'static (FlowField, &'static str, u8) {
        FIELDS
            .iter()
            .find(|row| row.0 == self)
            .unwrap_or(&FIELDS[0])
    }

    /// The format of a flow log that names none.
    pub fn default_format() -> String {
        let fields = FIELDS.iter().take(DEFAULT);
        let fields = fields.map(|(_, name, _)| format!("${{{name}}}"));
        fields.collect::<Vec<_>>().join(" ")
    }

    /// Reads a format: fields such as `${srcaddr}` with spaces between.
    ///
    /// # Errors
    /// [`FormatError`] with what is not a field.
    pub fn parse(format: &str) -> Result<Vec<FlowField>, FormatError> {
        let field = |word: &str| {
            let name = word
                .strip_prefix("${")
                .and_then(|rest| rest.strip_suffix('}'));
            let row = FIELDS.iter().find(|row| Some(row.1) == name);
            row.map(|row| row.0)
                .ok_or_else(|| FormatError::Unknown(word.chars().take(64).collect()))
        };
        let fields: Vec<FlowField> = format
            .split_whitespace()
            .take(MOST + 1)
            .map(field)
            .collect::<Result<_, _>>()?;
        match fields.len() {
            0 => Err(FormatError::Empty),
            n if n > MOST => Err(FormatError::Long),
            _ => Ok(fields),
        }
    }

    /// The version that records of these fields say: the highest of the fields'.
    pub fn version_of(fields: &[FlowField]) -> u8 {
        fields
            .iter()
            .map(|field| field.version())
            .max()
            .unwrap_or(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_read_as_they_are_written() {
        let default = FlowField::parse(&FlowField::default_format()).unwrap();
        assert_eq!(default.len(), DEFAULT);
        assert_eq!(FlowField::version_of(&default), 2);
        assert_eq!(default[13].name(), "log-status");
        let custom = FlowField::parse("${tcp-flags}  ${traffic-path} ${bytes}").unwrap();
        assert_eq!(FlowField::version_of(&custom), 5);
        let all: Vec<String> = FIELDS.iter().map(|row| format!("${{{}}}", row.1)).collect();
        let all = FlowField::parse(&all.join(" ")).unwrap();
        assert!(all.iter().zip(FIELDS).all(|(field, row)| *field == row.0));
    }

    #[test]
    fn what_is_no_field_is_named() {
        for (format, word) in [
            ("", "no field"),
            ("srcaddr", "srcaddr"),
            ("${srcaddr} ${nonsense}", "nonsense"),
            ("${srcaddr", "${srcaddr"),
        ] {
            let why = FlowField::parse(format).unwrap_err().to_string();
            assert!(why.contains(word), "{format}: {why}");
        }
        let long = "${bytes} ".repeat(MOST + 1);
        assert_eq!(FlowField::parse(&long), Err(FormatError::Long));
    }
}
