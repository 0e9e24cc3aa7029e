//! What the router at the other side is told: the XML text of `customerGatewayConfiguration`.

use std::fmt::Write;

use adit_model::*;

use crate::ec2::vpn_connection::tunnel_sides;

/// The configuration of a connection. Everything in it is digits, addresses and checked keys, so
/// nothing needs escaping.
pub(super) fn text(connection: &VpnConnection, intent: &Intent) -> String {
    let customer = intent.get::<CustomerGateway>(&connection.customer_gateway);
    let outside = customer.and_then(|c| c.ip).map(|ip| ip.to_string());
    let asn = customer.map_or(0, |c| c.asn);
    let ours = intent.get::<VpnGateway>(&connection.vpn_gateway);
    let our_asn = ours.map_or(0, |gateway| gateway.asn);
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = write!(
        xml,
        "<vpn_connection id=\"{}\"><customer_gateway_id>{}</customer_gateway_id><vpn_gateway_id>{}</vpn_gateway_id><vpn_connection_type>ipsec.1</vpn_connection_type>",
        connection.id, connection.customer_gateway, connection.vpn_gateway
    );
    for tunnel in &connection.tunnels {
        let (our_inside, their_inside) = tunnel_sides(tunnel);
        let outside = outside.as_deref().unwrap_or_default();
        let mask = tunnel.inside_cidr.netmask();
        let _ = write!(
            xml,
            "<ipsec_tunnel><customer_gateway><tunnel_outside_address><ip_address>{outside}</ip_address></tunnel_outside_address><tunnel_inside_address><ip_address>{their_inside}</ip_address><network_mask>{mask}</network_mask><network_cidr>30</network_cidr></tunnel_inside_address><bgp><asn>{asn}</asn><hold_time>30</hold_time></bgp></customer_gateway>"
        );
        let _ = write!(
            xml,
            "<vpn_gateway><tunnel_outside_address><ip_address>{}</ip_address></tunnel_outside_address><tunnel_inside_address><ip_address>{our_inside}</ip_address><network_mask>{mask}</network_mask><network_cidr>30</network_cidr></tunnel_inside_address><bgp><asn>{our_asn}</asn><hold_time>30</hold_time></bgp></vpn_gateway><ike><pre_shared_key>{}</pre_shared_key></ike></ipsec_tunnel>",
            tunnel.outside_ip,
            tunnel.pre_shared_key.expose()
        );
    }
    xml.push_str("</vpn_connection>");
    xml
}
