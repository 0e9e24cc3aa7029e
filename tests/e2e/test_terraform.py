"""The real Terraform states everything of EC2's networking, and identities, names and buckets beside it, changes it in
place, and takes it away.

After each apply a plan must find nothing to do: what is read is what was written. This runs where `terraform` is
installed and ADIT_TF_PLUGINS names a folder that mirrors the AWS provider (`terraform providers mirror`). Elsewhere it
is skipped, which is allowed only because test_churn_api.py, test_churn_services.py and test_churn_more.py
make the same round with boto3, always.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from harness.installation import ROOT_ACCESS_KEY, ROOT_SECRET_KEY

CONFIGURATION = Path(__file__).parent / "terraform"

# A folder that mirrors the AWS provider, as `terraform providers mirror` makes it.
PLUGINS = os.environ.get("ADIT_TF_PLUGINS")

# What is left of an account: AWS keeps the parts of a default VPC, and Adit has none here.
GONE = re.compile(r"Destroy complete! Resources: [1-9]\d* destroyed\.")


def cli_configuration(folder):
    """A CLI configuration that takes providers from the mirror alone."""
    file = folder / "terraform.rc"
    file.write_text(f'provider_installation {{\n  filesystem_mirror {{\n    path = "{PLUGINS}"\n  }}\n}}\n')
    return file


pytestmark = pytest.mark.skipif(
    not (PLUGINS and shutil.which("terraform")),
    reason="`terraform` is not installed or ADIT_TF_PLUGINS names no mirror of providers: "
           "test_churn_api.py is the one that counts here",
)


class Terraform:
    """Terraform in a folder of its own, talking to one installation."""

    def __init__(self, folder, adit, balancer):
        shutil.copytree(CONFIGURATION, folder, dirs_exist_ok=True)
        self.folder = folder
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", str(folder)),
            "TF_CLI_CONFIG_FILE": str(cli_configuration(folder)),
            "TF_IN_AUTOMATION": "1",
            "TF_VAR_endpoint": f"http://{adit.address}",
            "TF_VAR_region": "us-east-1",
            "TF_VAR_balancer": balancer,
            "TF_VAR_ipv6": "true",
            "AWS_ACCESS_KEY_ID": ROOT_ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": ROOT_SECRET_KEY,
        }

    def run(self, *arguments, step=None):
        """Runs one command, which must succeed; what it printed."""
        command = ["terraform", *arguments, "-input=false", "-no-color"]
        if step:
            command.append(f"-var=step={step}")
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=400, check=False,
        )
        # With -detailed-exitcode, 2 says that there would be something to do.
        assert done.returncode == 0, f"{' '.join(command)}: {done.returncode}\n{done.stdout[-8000:]}\n{done.stderr[-4000:]}"
        return done.stdout


@pytest.mark.timeout(900)
def test_a_plan_finds_nothing_to_do_after_each_apply(adit, tmp_path):
    ec2, elb = adit.client("ec2"), adit.client("elbv2")
    vpc = ec2.create_vpc(CidrBlock="10.70.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.70.1.0/24", AvailabilityZone="us-east-1a")["Subnet"]["SubnetId"]
    made = elb.create_load_balancer(Name="backend", Type="network", Scheme="internal", Subnets=[subnet])
    balancer = made["LoadBalancers"][0]["LoadBalancerArn"]

    terraform = Terraform(tmp_path, adit, balancer)
    terraform.run("init")
    for step in (1, 2):
        terraform.run("apply", "-auto-approve", step=step)
        terraform.run("plan", "-detailed-exitcode", step=step)
    assert GONE.search(terraform.run("destroy", "-auto-approve", step=2))
    elb.delete_load_balancer(LoadBalancerArn=balancer)
    ec2.delete_subnet(SubnetId=subnet)
    ec2.delete_vpc(VpcId=vpc)
    left = {
        "vpcs": ec2.describe_vpcs()["Vpcs"],
        "addresses": ec2.describe_addresses()["Addresses"],
        "interfaces": ec2.describe_network_interfaces()["NetworkInterfaces"],
        "gateways": ec2.describe_vpn_gateways()["VpnGateways"],
        "connections": ec2.describe_vpn_connections()["VpnConnections"],
        "peerings": ec2.describe_vpc_peering_connections()["VpcPeeringConnections"],
        "services": ec2.describe_vpc_endpoint_service_configurations()["ServiceConfigurations"],
        "flow logs": ec2.describe_flow_logs()["FlowLogs"],
        "query logs": adit.client("route53resolver").list_resolver_query_log_configs()["ResolverQueryLogConfigs"],
        "users": adit.client("iam").list_users()["Users"],
        "zones": adit.client("route53").list_hosted_zones()["HostedZones"],
        "rules": [rule for rule in adit.client("route53resolver").list_resolver_rules()["ResolverRules"] if rule["OwnerId"] != "Route 53 Resolver"],
        "buckets": adit.s3.list_buckets()["Buckets"],
        "lists": [one for one in ec2.describe_managed_prefix_lists()["PrefixLists"] if one["OwnerId"] != "AWS"],
    }
    assert left == {name: [] for name in left}
