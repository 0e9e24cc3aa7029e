//! Tallies in the kernel: the set, the instruction that counts a packet in it, and its keys read back.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::expr::{
    EQUAL, REGISTER, RuleWriter, TCP, UDP, bitwise_in, compare_in, immediate_in, meta, named,
    payload,
};
use super::{FlowOf, InvalidTable, Tally, TallyKey};
use crate::desired::IpFamily;
use crate::netlink::Writer;
use crate::netlink::nf::*;

/// What `meta` calls the numbers of the devices.
const META_IIF: u32 = 4;
const META_OIF: u32 = 5;
const META_MARK: u32 = 3;
const META_IIFNAME: u32 = 6;
const META_OIFNAME: u32 = 7;
const META_L4PROTO: u32 = 16;
/// The flags that tell flows apart: FIN, SYN, RST and ACK.
const FLAGS: u8 = 0x17;

/// Bytes of a device's name.
const NAME: usize = 16;
/// Bytes behind the addresses: protocol, flags and ports, each in a register, and one left over.
const REST: usize = 16;

impl Tally {
    fn key_len(&self) -> usize {
        match self.by {
            TallyKey::Devices => 2 * NAME,
            TallyKey::Mark => 4 + NAME,
            TallyKey::Flow(IpFamily::V4) => 8 + 2 * 4 + REST,
            TallyKey::Flow(IpFamily::V6) => 8 + 2 * 16 + REST,
        }
    }

    /// The `nft` command's numbers for the parts of the key. It knows five parts at most, so the rest
    /// goes by what has its length: an IPv6 address.
    fn key_type(&self) -> u32 {
        let parts: &[u32] = match self.by {
            TallyKey::Devices => &[41, 41],
            TallyKey::Mark => &[19, 41],
            TallyKey::Flow(IpFamily::V4) => &[20, 20, 7, 7, 8],
            TallyKey::Flow(IpFamily::V6) => &[20, 20, 8, 8, 8],
        };
        parts.iter().fold(0, |all, part| (all << 6) | part)
    }

    /// Writes the attributes of `NFT_MSG_NEWSET` behind table, name and id.
    pub(super) fn write(&self, w: &mut Writer) {
        w.attr_be32(NFTA_SET_FLAGS, SET_EVAL | SET_TIMEOUT);
        w.attr_be32(NFTA_SET_KEY_TYPE, self.key_type());
        w.attr_be32(NFTA_SET_KEY_LEN, u32::try_from(self.key_len()).unwrap_or(0));
        let timeout = u64::from(self.timeout) * 1000;
        w.attr(NFTA_SET_TIMEOUT, &timeout.to_be_bytes());
        w.nest(NFTA_SET_DESC, |w| {
            w.attr_be32(NFTA_SET_DESC_SIZE, self.size);
        });
    }

    pub(super) fn check(&self, name: &str) -> Result<(), InvalidTable> {
        let invalid = |reason: &str| InvalidTable::Set {
            set: name.to_owned(),
            reason: reason.to_owned(),
        };
        match (self.size, self.timeout) {
            (0, _) => Err(invalid("a tally needs room for an element")),
            (_, 0) => Err(invalid("a tally's elements must go some day")),
            _ => Ok(()),
        }
    }
}

impl RuleWriter<'_> {
    fn known_tally(&self, name: &str) -> Result<&Tally, InvalidTable> {
        self.table
            .tallies
            .get(name)
            .ok_or_else(|| InvalidTable::Unknown {
                kind: "tally",
                name: name.to_owned(),
            })
    }

    pub(super) fn tally_devices(&self, w: &mut Writer, name: &str) -> Result<(), InvalidTable> {
        if self.known_tally(name)?.by != TallyKey::Devices {
            return Err(wrong_kind(name));
        }
        meta(w, META_IIFNAME, REGISTER);
        meta(w, META_OIFNAME, REGISTER + 4);
        update(w, name);
        Ok(())
    }

    pub(super) fn tally_mark(
        &self,
        w: &mut Writer,
        name: &str,
        into: bool,
    ) -> Result<(), InvalidTable> {
        if self.known_tally(name)?.by != TallyKey::Mark {
            return Err(wrong_kind(name));
        }
        let device = if into { META_IIFNAME } else { META_OIFNAME };
        meta(w, META_MARK, REGISTER);
        meta(w, device, REGISTER + 1);
        update(w, name);
        Ok(())
    }

    pub(super) fn tally_flow(
        &mut self,
        w: &mut Writer,
        name: &str,
        of: FlowOf,
    ) -> Result<(), InvalidTable> {
        let TallyKey::Flow(family) = self.known_tally(name)?.by else {
            return Err(wrong_kind(name));
        };
        let (network, source, length) = match family {
            IpFamily::V4 => (2, 12, 4),
            IpFamily::V6 => (10, 8, 16),
        };
        self.need_network(w, network)?;
        match of {
            FlowOf::Tcp { .. } => self.need_transport(w, TCP),
            FlowOf::Udp => self.need_transport(w, UDP),
            FlowOf::Other => {}
        }
        meta(w, META_IIF, REGISTER);
        meta(w, META_OIF, REGISTER + 1);
        payload(w, 1, source, length, REGISTER + 2);
        payload(w, 1, source + length, length, REGISTER + 2 + length / 4);
        let rest = REGISTER + 2 + length / 2;
        meta(w, META_L4PROTO, rest);
        match of {
            FlowOf::Tcp { flags: true } => {
                payload(w, 2, 13, 1, rest + 1);
                bitwise_in(w, rest + 1, &[FLAGS]);
            }
            _ => immediate_in(w, rest + 1, &[0; 4]),
        }
        match of {
            FlowOf::Other => immediate_in(w, rest + 2, &[0; 4]),
            _ => payload(w, 2, 0, 4, rest + 2),
        }
        immediate_in(w, rest + 3, &[0; 4]);
        update(w, name);
        Ok(())
    }
}

fn wrong_kind(name: &str) -> InvalidTable {
    InvalidTable::Set {
        set: name.to_owned(),
        reason: "the tally tells packets apart by something else".into(),
    }
}

/// Finds or makes the element, lets it live on, and counts.
fn update(w: &mut Writer, name: &str) {
    named(w, "dynset", |w| {
        w.attr_text(1, name);
        // Update: an element that is there already lives on.
        w.attr_be32(3, 1);
        w.attr_be32(4, REGISTER);
        w.nest(7, |w| {
            w.attr_text(NFTA_EXPR_NAME, "counter");
            w.nest(NFTA_EXPR_DATA, |_| {});
        });
    });
}

/// The devices of an element by [`TallyKey::Devices`].
pub(crate) fn devices(key: &[u8]) -> Option<(&str, &str)> {
    let name = |from: usize| crate::netlink::message::text(key.get(from..from + NAME)?);
    Some((name(0)?, name(NAME)?))
}

/// The mark and the device of an element by [`TallyKey::Mark`].
pub(crate) fn mark(key: &[u8]) -> Option<(u32, &str)> {
    let mark = crate::netlink::message::u32_at(key, 0)?;
    let device = key.get(4..4 + NAME)?;
    let end = device.iter().position(|b| *b == 0)?;
    Some((mark, std::str::from_utf8(device.get(..end)?).ok()?))
}

/// What tells a flow from others, as the kernel has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FlowKey {
    pub(crate) into: u32,
    pub(crate) out: u32,
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) protocol: u8,
    pub(crate) flags: u8,
    pub(crate) source_port: u16,
    pub(crate) destination_port: u16,
}

/// The flow of an element by [`TallyKey::Flow`].
pub(crate) fn flow(family: IpFamily, key: &[u8]) -> Option<FlowKey> {
    let number = |at: usize| crate::netlink::message::u32_at(key, at);
    let port = |at: usize| Some(u16::from_be_bytes(key.get(at..at + 2)?.try_into().ok()?));
    let address = |at: usize| -> Option<IpAddr> {
        Some(match family {
            IpFamily::V4 => Ipv4Addr::from(<[u8; 4]>::try_from(key.get(at..at + 4)?).ok()?).into(),
            IpFamily::V6 => {
                Ipv6Addr::from(<[u8; 16]>::try_from(key.get(at..at + 16)?).ok()?).into()
            }
        })
    };
    let length = match family {
        IpFamily::V4 => 4,
        IpFamily::V6 => 16,
    };
    let rest = 8 + 2 * length;
    Some(FlowKey {
        into: number(0)?,
        out: number(4)?,
        source: address(8)?,
        destination: address(8 + length)?,
        protocol: *key.get(rest)?,
        flags: *key.get(rest + 4)?,
        source_port: port(rest + 8)?,
        destination_port: port(rest + 10)?,
    })
}

/// A condition on a field of the transport header's own, kept here beside those of [`FlowOf`].
pub(super) fn reset(w: &mut Writer) {
    payload(w, 2, 13, 1, REGISTER);
    bitwise_in(w, REGISTER, &[0x04]);
    compare_in(w, REGISTER, EQUAL, &[0x04]);
}
