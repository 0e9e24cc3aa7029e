//! Regenerates the tables of AWS's wire formats from an installed botocore.
//!
//! `cargo xtask wire-tables [--check]` reads botocore's service models (facts: operations, shapes,
//! wire names) and writes `crates/wire/tables/<service>.txt`. Documentation texts are not taken.
//! With `--check` nothing is written; differences are an error.
//!
//! One record a line, fields separated by tabs:
//! `service` · `known` (operations left out) · `op` · `s` (shape) · `m` (member of the shape above).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Services with all their operations, and their Query or JSON idiosyncrasies left to the model.
const SERVICES: [&str; 10] = [
    "ec2",
    "iam",
    "sts",
    "route53",
    "route53resolver",
    "s3",
    "s3control",
    "elbv2",
    "sns",
    "dynamodb",
];

/// EC2 is far too large to carry whole: these operations have their shapes in the table, the others
/// are known by name.
const EC2: &str = "\
CreateVpcEndpoint ModifyVpcEndpoint DescribeVpcEndpoints DeleteVpcEndpoints
DescribeVpcEndpointServices DescribeVpcEndpointAssociations
CreateVpcEndpointServiceConfiguration ModifyVpcEndpointServiceConfiguration
DeleteVpcEndpointServiceConfigurations DescribeVpcEndpointServiceConfigurations
ModifyVpcEndpointServicePermissions DescribeVpcEndpointServicePermissions
DescribeVpcEndpointConnections AcceptVpcEndpointConnections RejectVpcEndpointConnections
CreateVpcEndpointConnectionNotification ModifyVpcEndpointConnectionNotification
DescribeVpcEndpointConnectionNotifications DeleteVpcEndpointConnectionNotifications
ModifyVpcEndpointServicePayerResponsibility StartVpcEndpointServicePrivateDnsVerification
DescribePrefixLists DescribeManagedPrefixLists GetManagedPrefixListEntries
GetManagedPrefixListAssociations CreateManagedPrefixList ModifyManagedPrefixList
RestoreManagedPrefixListVersion DeleteManagedPrefixList
CreateVpc CreateDefaultVpc DeleteVpc DescribeVpcs DescribeVpcAttribute ModifyVpcAttribute
ModifyVpcTenancy AssociateVpcCidrBlock DisassociateVpcCidrBlock
CreateSubnet CreateDefaultSubnet DeleteSubnet DescribeSubnets ModifySubnetAttribute
AssociateSubnetCidrBlock DisassociateSubnetCidrBlock
CreateRouteTable DeleteRouteTable DescribeRouteTables AssociateRouteTable DisassociateRouteTable
ReplaceRouteTableAssociation CreateRoute ReplaceRoute DeleteRoute EnableVgwRoutePropagation
DisableVgwRoutePropagation
CreateInternetGateway AttachInternetGateway DetachInternetGateway DeleteInternetGateway
DescribeInternetGateways CreateEgressOnlyInternetGateway DeleteEgressOnlyInternetGateway
DescribeEgressOnlyInternetGateways CreateNatGateway DeleteNatGateway DescribeNatGateways
AllocateAddress AssociateAddress DisassociateAddress ReleaseAddress DescribeAddresses DescribeAddressesAttribute
CreateVpnGateway AttachVpnGateway DetachVpnGateway DeleteVpnGateway DescribeVpnGateways
CreateCustomerGateway DeleteCustomerGateway DescribeCustomerGateways
CreateVpnConnection DeleteVpnConnection DescribeVpnConnections CreateVpnConnectionRoute
DeleteVpnConnectionRoute
CreateVpcPeeringConnection AcceptVpcPeeringConnection RejectVpcPeeringConnection
DeleteVpcPeeringConnection DescribeVpcPeeringConnections ModifyVpcPeeringConnectionOptions
CreateTransitGateway DeleteTransitGateway DescribeTransitGateways
CreateTransitGatewayVpcAttachment DeleteTransitGatewayVpcAttachment
DescribeTransitGatewayVpcAttachments
CreateSecurityGroup DeleteSecurityGroup DescribeSecurityGroups AuthorizeSecurityGroupIngress
AuthorizeSecurityGroupEgress RevokeSecurityGroupIngress RevokeSecurityGroupEgress
DescribeSecurityGroupRules ModifySecurityGroupRules UpdateSecurityGroupRuleDescriptionsIngress
UpdateSecurityGroupRuleDescriptionsEgress GetSecurityGroupsForVpc
DescribeSecurityGroupReferences DescribeStaleSecurityGroups
CreateNetworkAcl DeleteNetworkAcl DescribeNetworkAcls CreateNetworkAclEntry
ReplaceNetworkAclEntry DeleteNetworkAclEntry ReplaceNetworkAclAssociation
CreateNetworkInterface DeleteNetworkInterface DescribeNetworkInterfaces AttachNetworkInterface
DetachNetworkInterface ModifyNetworkInterfaceAttribute DescribeNetworkInterfaceAttribute
AssignPrivateIpAddresses UnassignPrivateIpAddresses AssignIpv6Addresses UnassignIpv6Addresses
DescribeAvailabilityZones DescribeRegions CreateTags DeleteTags DescribeTags
DescribeAccountAttributes
CreateDhcpOptions AssociateDhcpOptions DescribeDhcpOptions DeleteDhcpOptions
CreateFlowLogs DescribeFlowLogs DeleteFlowLogs
RunInstances TerminateInstances StartInstances StopInstances DescribeInstances
DescribeInstanceStatus DescribeInstanceAttribute ModifyInstanceAttribute";

/// Namespaces that the models do not state.
const NAMESPACES: [(&str, &str); 3] = [
    ("s3", "http://s3.amazonaws.com/doc/2006-03-01/"),
    (
        "s3control",
        "http://awss3control.amazonaws.com/doc/2018-08-20/",
    ),
    ("route53", "https://route53.amazonaws.com/doc/2013-04-01/"),
];

/// Root elements of S3 replies, which the model does not state: the name of the output shape is
/// never what S3 sends. Source: the reply syntax in S3's API reference.
const S3_ROOTS: [(&str, &str); 32] = [
    ("CompleteMultipartUpload", "CompleteMultipartUploadResult"),
    ("CreateMultipartUpload", "InitiateMultipartUploadResult"),
    ("CreateSession", "CreateSessionResult"),
    ("DeleteObjects", "DeleteResult"),
    (
        "GetBucketAccelerateConfiguration",
        "AccelerateConfiguration",
    ),
    ("GetBucketAcl", "AccessControlPolicy"),
    ("GetBucketCors", "CORSConfiguration"),
    ("GetBucketLifecycle", "LifecycleConfiguration"),
    ("GetBucketLifecycleConfiguration", "LifecycleConfiguration"),
    ("GetBucketLocation", "LocationConstraint"),
    ("GetBucketLogging", "BucketLoggingStatus"),
    ("GetBucketNotification", "NotificationConfiguration"),
    (
        "GetBucketNotificationConfiguration",
        "NotificationConfiguration",
    ),
    ("GetBucketRequestPayment", "RequestPaymentConfiguration"),
    ("GetBucketTagging", "Tagging"),
    ("GetBucketVersioning", "VersioningConfiguration"),
    ("GetBucketWebsite", "WebsiteConfiguration"),
    ("GetObjectAcl", "AccessControlPolicy"),
    ("GetObjectAttributes", "GetObjectAttributesResponse"),
    ("GetObjectTagging", "Tagging"),
    (
        "ListBucketAnalyticsConfigurations",
        "ListBucketAnalyticsConfigurationResult",
    ),
    (
        "ListBucketIntelligentTieringConfigurations",
        "ListBucketIntelligentTieringConfigurationsOutput",
    ),
    (
        "ListBucketInventoryConfigurations",
        "ListInventoryConfigurationsResult",
    ),
    (
        "ListBucketMetricsConfigurations",
        "ListMetricsConfigurationsResult",
    ),
    ("ListBuckets", "ListAllMyBucketsResult"),
    ("ListDirectoryBuckets", "ListAllMyDirectoryBucketsResult"),
    ("ListMultipartUploads", "ListMultipartUploadsResult"),
    ("ListObjectVersions", "ListVersionsResult"),
    ("ListObjects", "ListBucketResult"),
    ("ListObjectsV2", "ListBucketResult"),
    ("ListParts", "ListPartsResult"),
    ("RestoreObject", "RestoreObjectOutput"),
];

/// Operations that lose against another one with the same method and path: the models do not say.
/// `ListDirectoryBuckets` is asked of another endpoint than `ListBuckets`.
const TWINS: [&str; 1] = ["ListDirectoryBuckets"];

/// Statuses that S3 sends and its model does not state.
const STATUSES: [(&str, &str, u64); 1] = [("s3", "PutBucketPolicy", 204)];

/// Runs the generator with the arguments after `cargo xtask wire-tables`.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let check = match arguments {
        [] => false,
        [flag] if flag == "--check" => true,
        other => bail!("unexpected arguments {other:?}; there is only --check"),
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/wire/tables");
    let mut stale = Vec::new();
    for service in SERVICES {
        let text = Generator::load(service)?.write()?;
        let path: PathBuf = folder.join(format!("{service}.txt"));
        let old = std::fs::read_to_string(&path).unwrap_or_default();
        if old == text {
            continue;
        }
        if check {
            stale.push(service);
        } else {
            std::fs::write(&path, &text).with_context(|| format!("write {}", path.display()))?;
            println!("{service}: {} KiB", text.len() / 1024);
        }
    }
    if !stale.is_empty() {
        bail!(
            "tables differ from the installed botocore: {}",
            stale.join(", ")
        );
    }
    Ok(())
}

/// Prints model, paginators and version of one service as JSON.
const READER: &str = "\
import sys, json, botocore, botocore.loaders as l
L = l.Loader()
s = sys.argv[1]
try: p = L.load_service_model(s, 'paginators-1')['pagination']
except Exception: p = {}
json.dump({'version': botocore.__version__, 'model': L.load_service_model(s, 'service-2'), 'pages': p}, sys.stdout)";

/// One service on its way from the model to the table.
struct Generator {
    service: &'static str,
    model: Value,
    pages: Value,
    botocore: String,
}

impl Generator {
    fn load(service: &'static str) -> Result<Generator> {
        let out = Command::new("python3")
            .args(["-c", READER, service])
            .output()
            .context("python3 with botocore is needed to read the models")?;
        if !out.status.success() {
            bail!(
                "reading {service}: {}",
                String::from_utf8_lossy(&out.stderr)
            );
        }
        let mut all: Value = serde_json::from_slice(&out.stdout)?;
        Ok(Generator {
            service,
            botocore: text(&all, "version").unwrap_or_default().to_owned(),
            model: all["model"].take(),
            pages: all["pages"].take(),
        })
    }

    fn protocol(&self) -> &str {
        text(&self.model["metadata"], "protocol").unwrap_or_default()
    }

    fn shape(&self, name: &str) -> &Value {
        &self.model["shapes"][name]
    }

    /// The whole table.
    fn write(&self) -> Result<String> {
        let meta = &self.model["metadata"];
        let namespace = NAMESPACES
            .iter()
            .find(|(service, _)| *service == self.service)
            .map(|(_, ns)| *ns)
            .or_else(|| text(meta, "xmlNamespace"))
            .unwrap_or_default();
        // EC2 writes its namespace with a closing slash.
        let slash = if self.service == "ec2" { "/" } else { "" };
        let mut out = format!(
            "# Facts of the public service model of {} as shipped with botocore {} (Apache-2.0).\n\
             # Generated by `cargo xtask wire-tables`; do not edit.\n",
            self.service, self.botocore
        );
        write!(
            out,
            "service\t{}",
            text(meta, "apiVersion").unwrap_or_default()
        )?;
        for (key, value) in [
            ("ns", format!("{namespace}{slash}")),
            (
                "target",
                text(meta, "targetPrefix").unwrap_or_default().to_owned(),
            ),
            (
                "json",
                text(meta, "jsonVersion").unwrap_or_default().to_owned(),
            ),
        ] {
            if !value.is_empty() && value != "/" {
                write!(out, "\t{key}={value}")?;
            }
        }
        out.push('\n');

        let chosen: BTreeSet<&str> = EC2.split_whitespace().collect();
        let mut left_out = Vec::new();
        let mut roots = BTreeSet::new();
        let mut ops = String::new();
        for (name, op) in members(&self.model["operations"]) {
            if self.service == "ec2" && !chosen.contains(name) {
                left_out.push(name);
                continue;
            }
            self.operation(&mut ops, name, op, &mut roots)?;
        }
        if self.service == "ec2" {
            for name in &chosen {
                if self.model["operations"].get(name).is_none() {
                    bail!("ec2 has no operation {name}");
                }
            }
        }
        for chunk in left_out.chunks(8) {
            writeln!(out, "known\t{}", chunk.join(" "))?;
        }
        out.push_str(&ops);
        for (name, shape) in self.reachable(roots) {
            self.write_shape(&mut out, name, shape)?;
        }
        Ok(out)
    }

    fn operation(
        &self,
        out: &mut String,
        name: &str,
        op: &Value,
        roots: &mut BTreeSet<String>,
    ) -> Result<()> {
        let http = &op["http"];
        let method = text(http, "method").unwrap_or("POST");
        let uri = text(http, "requestUri").unwrap_or("/");
        write!(out, "op\t{name}\t{method}\t{uri}")?;
        let sent = STATUSES
            .iter()
            .find(|(service, op, _)| *service == self.service && *op == name);
        if let Some(status) = sent.map(|s| s.2).or_else(|| http["responseCode"].as_u64())
            && status != 200
        {
            write!(out, "\tstatus={status}")?;
        }
        for (key, field) in [("in", "input"), ("out", "output")] {
            if let Some(shape) = text(&op[field], "shape") {
                write!(out, "\t{key}={shape}")?;
                roots.insert(shape.to_owned());
            }
        }
        if let Some(root) = text(&op["input"], "locationName") {
            write!(out, "\troot={root}")?;
        }
        if let Some(root) = self.output_root(name, op) {
            write!(out, "\twrap={root}")?;
        }
        let errors: Vec<&str> = items(&op["errors"])
            .filter_map(|e| text(e, "shape"))
            .collect();
        if !errors.is_empty() {
            write!(out, "\terr={}", errors.join(","))?;
            roots.extend(errors.iter().map(|e| (*e).to_owned()));
        }
        if let Some(page) = self.pages.get(name) {
            for (key, field) in [
                ("pin", "input_token"),
                ("pout", "output_token"),
                ("plimit", "limit_key"),
                ("presult", "result_key"),
                ("pmore", "more_results"),
            ] {
                let list: Vec<&str> = match page.get(field) {
                    Some(Value::String(one)) => vec![one],
                    Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
                    _ => continue,
                };
                write!(out, "\t{key}={}", list.join(","))?;
            }
        }
        let required = op["httpChecksum"]["requestChecksumRequired"].as_bool();
        if required == Some(true) || op["httpChecksumRequired"].as_bool() == Some(true) {
            out.push_str("\tchecksum");
        }
        if op["deprecated"].as_bool() == Some(true) || TWINS.contains(&name) {
            out.push_str("\ttwin");
        }
        out.push('\n');
        Ok(())
    }

    /// What wraps an output: Query's result element, or a REST reply's root.
    fn output_root<'a>(&'a self, name: &str, op: &'a Value) -> Option<&'a str> {
        let output = &op["output"];
        if let Some(wrapper) = text(output, "resultWrapper") {
            return Some(wrapper);
        }
        let shape = text(output, "shape")?;
        if self.protocol() != "rest-xml" {
            return None;
        }
        if let Some(payload) = text(self.shape(shape), "payload") {
            let member = &self.shape(shape)["members"][payload];
            let kind = text(self.shape(text(member, "shape")?), "type")?;
            return (kind == "structure").then(|| text(member, "locationName").unwrap_or(payload));
        }
        if self.service == "s3" {
            return S3_ROOTS
                .iter()
                .find(|(op, _)| *op == name)
                .map(|(_, root)| *root);
        }
        Some(text(output, "locationName").unwrap_or(shape))
    }

    /// All shapes that the roots lead to, by name.
    fn reachable(&self, roots: BTreeSet<String>) -> BTreeMap<&str, &Value> {
        let mut todo: Vec<String> = roots.into_iter().collect();
        let mut found = BTreeMap::new();
        while let Some(name) = todo.pop() {
            let Some((name, shape)) = self.model["shapes"]
                .as_object()
                .and_then(|shapes| shapes.get_key_value(&name))
            else {
                continue;
            };
            if found.insert(name.as_str(), shape).is_some() {
                continue;
            }
            let single = ["member", "key", "value"]
                .iter()
                .filter_map(|k| shape.get(*k));
            todo.extend(
                members(&shape["members"])
                    .map(|(_, member)| member)
                    .chain(single)
                    .filter_map(|member| text(member, "shape"))
                    .map(str::to_owned),
            );
        }
        found
    }

    fn write_shape(&self, out: &mut String, name: &str, shape: &Value) -> Result<()> {
        let kind = text(shape, "type").context("a shape without type")?;
        let kind = match kind {
            "long" => "integer",
            "double" => "float",
            other => other,
        };
        write!(out, "s\t{name}\t{kind}")?;
        match kind {
            "structure" => self.structure_facts(out, name, shape)?,
            "list" => self.list_facts(out, shape)?,
            "map" => map_facts(out, shape)?,
            _ => {}
        }
        let values: Vec<&str> = items(&shape["enum"]).filter_map(Value::as_str).collect();
        if !values.is_empty() {
            if values.iter().any(|v| v.contains(['|', '\t', '\n'])) {
                bail!("{name}: an enumeration value holds a separator");
            }
            write!(out, "\tenum={}", values.join("|"))?;
        }
        for key in ["min", "max"] {
            if let Some(bound) = shape.get(key).and_then(Value::as_f64) {
                write!(out, "\t{key}={bound}")?;
            }
        }
        if let Some(pattern) = text(shape, "pattern") {
            let pattern = pattern
                .replace('\t', "\\t")
                .replace('\n', "\\n")
                .replace('\r', "\\r");
            write!(out, "\tpattern={pattern}")?;
        }
        if let Some(form) = text(shape, "timestampFormat") {
            write!(out, "\tts={form}")?;
        }
        if shape["sensitive"].as_bool() == Some(true) {
            out.push_str("\tsensitive");
        }
        out.push('\n');
        let required: BTreeSet<&str> = items(&shape["required"])
            .filter_map(Value::as_str)
            .collect();
        for (member, facts) in members(&shape["members"]) {
            self.write_member(out, member, facts, required.contains(member))?;
        }
        Ok(())
    }

    fn structure_facts(&self, out: &mut String, name: &str, shape: &Value) -> Result<()> {
        if let Some(payload) = text(shape, "payload") {
            write!(out, "\tpayload={payload}")?;
        }
        for flag in ["union", "eventstream"] {
            if shape[flag].as_bool() == Some(true) {
                write!(out, "\t{flag}")?;
            }
        }
        if shape["exception"].as_bool() == Some(true) {
            let facts = &shape["error"];
            let fault = shape["fault"].as_bool() == Some(true);
            let status = facts["httpStatusCode"]
                .as_u64()
                .unwrap_or(if fault { 500 } else { 400 });
            let code = text(facts, "code").unwrap_or(name);
            let sender = facts["senderFault"]
                .as_bool()
                .unwrap_or(!fault && status < 500);
            write!(
                out,
                "\terror={code},{status},{}",
                if sender { "sender" } else { "receiver" }
            )?;
        }
        Ok(())
    }

    fn list_facts(&self, out: &mut String, shape: &Value) -> Result<()> {
        let item = &shape["member"];
        write!(
            out,
            "\tof={}",
            text(item, "shape").context("a list without member")?
        )?;
        if let Some(wire) = text(item, "locationName") {
            write!(out, "\tw={wire}")?;
        }
        if shape["flattened"].as_bool() == Some(true) {
            out.push_str("\tflat");
        }
        Ok(())
    }

    fn write_member(&self, out: &mut String, name: &str, m: &Value, required: bool) -> Result<()> {
        let wire = text(m, "locationName").unwrap_or(name);
        write!(
            out,
            "m\t{name}\t{}",
            text(m, "shape").context("a member without shape")?
        )?;
        if wire != name {
            write!(out, "\tw={wire}")?;
        }
        if self.protocol() == "ec2" {
            let param = match text(m, "queryName") {
                Some(query) => query.to_owned(),
                None => capitalised(wire),
            };
            if param != name {
                write!(out, "\tp={param}")?;
            }
        }
        if required {
            out.push_str("\t!");
        }
        match text(m, "location") {
            None => {}
            Some(place @ ("header" | "headers" | "uri" | "statusCode")) => {
                write!(out, "\t@{place}")?;
            }
            Some("querystring") => out.push_str("\t@query"),
            Some(other) => bail!("{name}: location {other}"),
        }
        for (flag, key) in [
            ("@attr", "xmlAttribute"),
            ("flat", "flattened"),
            ("token", "idempotencyToken"),
            ("stream", "streaming"),
        ] {
            if m[key].as_bool() == Some(true) {
                write!(out, "\t{flag}")?;
            }
        }
        if let Some(ns) = text(&m["xmlNamespace"], "uri") {
            write!(out, "\tns={ns}")?;
        }
        // `xsi:type` needs its prefix declared on the element that carries it.
        if let Some(form) = text(m, "timestampFormat") {
            write!(out, "\tts={form}")?;
        }
        let target = text(m, "shape")
            .map(|s| self.shape(s))
            .unwrap_or(&Value::Null);
        if let (Some(prefix), Some(uri)) = (
            text(&target["xmlNamespace"], "prefix"),
            text(&target["xmlNamespace"], "uri"),
        ) {
            write!(out, "\txmlns:{prefix}={uri}")?;
        }
        out.push('\n');
        Ok(())
    }
}

fn map_facts(out: &mut String, shape: &Value) -> Result<()> {
    for (key, wire, field) in [("key", "kw", "key"), ("of", "vw", "value")] {
        let part = &shape[field];
        write!(
            out,
            "\t{key}={}",
            text(part, "shape").context("a map without parts")?
        )?;
        if let Some(name) = text(part, "locationName") {
            write!(out, "\t{wire}={name}")?;
        }
    }
    if shape["flattened"].as_bool() == Some(true) {
        out.push_str("\tflat");
    }
    Ok(())
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    let value = value.get(key)?;
    // A namespace may be a bare string or an object.
    value
        .as_str()
        .or_else(|| value.get("uri").and_then(Value::as_str))
}

fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(k, v)| (k.as_str(), v))
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn capitalised(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_ascii_uppercase().to_string() + chars.as_str()
    })
}
