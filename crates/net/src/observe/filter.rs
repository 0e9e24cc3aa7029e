//! What the kernel has of our nftables tables. Rules are not read back: a fingerprint kept in the
//! table, the number of the last transaction and the count of everything tell whether the table is
//! the one we know.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::named;
use crate::netlink::nf::*;
use crate::netlink::{Attrs, KernelError, Netlink};
use crate::nft::change::{Change, MARKER};
use crate::nft::part::Fingerprint;
use crate::nft::{Family, TABLE_PREFIX, Table};

/// What the agent remembers of its last transaction in a namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    /// The table it left.
    pub(crate) table: Option<Arc<Table>>,
    fingerprint: Fingerprint,
    /// The namespace's transaction number right after.
    pub(crate) generation: Option<u32>,
}

impl Memory {
    /// The fingerprint of the table.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Takes in a transaction that was carried out.
    pub(crate) fn take_in(&mut self, change: &Change, generation: Option<u32>) {
        self.generation = generation;
        match change {
            Change::Replace(table) | Change::Update(_, table) => {
                self.fingerprint = table.fingerprint();
                self.table = Some(Arc::clone(table));
            }
            Change::Part(part) => {
                let table = self.table.as_mut().map(Arc::make_mut);
                let fits = table.is_some_and(|table| table.patch(&part.gone, &part.come));
                self.fingerprint = part.to;
                if !fits {
                    *self = Self::default();
                }
            }
            Change::Remove(..) => self.table = None,
        }
    }

    /// Takes in that a table was found; what is remembered is as good.
    pub(crate) fn found(&mut self, table: &Table) {
        if self.table.is_none() {
            self.fingerprint = table.fingerprint();
            self.table = Some(Arc::new(table.clone()));
        }
    }
}

/// Our tables in a namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SeenFilter {
    /// All tables with our prefix.
    pub(crate) tables: Vec<(Family, String)>,
    /// The one whose content is known; none if there is no table or it is not as we left it.
    pub(crate) known: Option<Arc<Table>>,
}

impl SeenFilter {
    /// The filter right after a table was loaded.
    pub(crate) fn known(table: Option<Arc<Table>>) -> Self {
        Self {
            tables: table.iter().map(|table| named(table)).collect(),
            known: table,
        }
    }
}

/// Reads the state of our tables.
pub(super) fn read(
    socket: &mut Netlink,
    memory: Option<&Memory>,
    candidates: &[Option<&Table>],
) -> Result<SeenFilter, KernelError> {
    let mut seen = SeenFilter::default();
    for family in [Family::Inet, Family::Ip, Family::Ip6] {
        // Chains name their tables; a table without chains is none that we made.
        let result = socket.dump(&dump(GETTABLE, family.number(), |_| {}), |message| {
            let name = Attrs::after(message.payload, 4).text(NFTA_TABLE_NAME);
            if let Some(name) = name.filter(|name| name.starts_with(TABLE_PREFIX)) {
                seen.tables.push((family, name.to_owned()));
            }
        });
        super::unless_unsupported(result)?;
    }
    let [(family, name)] = seen.tables.as_slice() else {
        return Ok(seen);
    };
    let chains = count_rules(socket, *family, name)?;
    let Some(marker) = chains.keys().find(|chain| chain.starts_with(MARKER)) else {
        return Ok(seen);
    };
    let fits =
        |table: &&&Table| named(table) == (*family, name.clone()) && table.marker() == *marker;
    let Some(table) = candidates.iter().flatten().find(fits) else {
        return Ok(seen);
    };
    let untouched = match memory.and_then(|m| m.generation) {
        Some(known) => generation(socket)? == Some(known),
        None => false,
    };
    if untouched || same_counts(socket, table, &chains)? {
        seen.known = Some(Arc::new(Table::clone(table)));
    }
    Ok(seen)
}

/// Number of the namespace's last nftables transaction.
pub(crate) fn generation(socket: &mut Netlink) -> Result<Option<u32>, KernelError> {
    let mut found = None;
    socket.get(&get_generation(), |message| {
        if message.kind == NEWGEN {
            found = Attrs::after(message.payload, 4).be32(NFTA_GEN_ID);
        }
    })?;
    Ok(found)
}

/// Number of rules per chain of a table.
fn count_rules(
    socket: &mut Netlink,
    family: Family,
    table: &str,
) -> Result<BTreeMap<String, usize>, KernelError> {
    let mut chains = BTreeMap::new();
    socket.dump(&dump(GETCHAIN, family.number(), |_| {}), |message| {
        let attrs = Attrs::after(message.payload, 4);
        if attrs.text(NFTA_CHAIN_TABLE) == Some(table)
            && let Some(name) = attrs.text(NFTA_CHAIN_NAME)
        {
            chains.insert(name.to_owned(), 0);
        }
    })?;
    let request = dump(GETRULE, family.number(), |w| {
        w.attr_text(NFTA_RULE_TABLE, table)
    });
    socket.dump(&request, |message| {
        let attrs = Attrs::after(message.payload, 4);
        if attrs.text(NFTA_RULE_TABLE) == Some(table)
            && let Some(name) = attrs.text(NFTA_RULE_CHAIN)
        {
            *chains.entry(name.to_owned()).or_default() += 1;
        }
    })?;
    Ok(chains)
}

/// Whether the kernel's table has as many rules and elements as it should.
fn same_counts(
    socket: &mut Netlink,
    table: &Table,
    chains: &BTreeMap<String, usize>,
) -> Result<bool, KernelError> {
    let rules_agree = chains.len() == table.chains.len() + 1
        && table
            .chains
            .iter()
            .all(|(name, chain)| chains.get(name) == Some(&chain.rules.len()));
    if !rules_agree {
        return Ok(false);
    }
    for (name, expected) in table.element_counts() {
        let request = dump(GETSETELEM, table.family.number(), |w| {
            w.attr_text(NFTA_SET_ELEM_LIST_TABLE, &table.name);
            w.attr_text(NFTA_SET_ELEM_LIST_SET, name);
        });
        let mut count = 0;
        let result = socket.dump(&request, |message| {
            let list = Attrs::after(message.payload, 4).nested(NFTA_SET_ELEM_LIST_ELEMENTS);
            count += list
                .filter(|(_, element)| {
                    Attrs(element).be32(NFTA_SET_ELEM_FLAGS) != Some(ELEM_INTERVAL_END)
                })
                .count();
        });
        match result {
            Ok(()) if count == expected => {}
            Ok(()) => return Ok(false),
            Err(error) if error.errno == libc::ENOENT => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}
