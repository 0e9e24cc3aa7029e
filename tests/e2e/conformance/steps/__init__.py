"""The steps of every service, one module each.

A new operation needs one step in its service's module, in the order of what it depends on:

    Step("CreateVpc", {"CidrBlock": "10.0.0.0/16"}, keep={"vpc": "Vpc.VpcId"}),
    Step("DescribeVpcs", {"VpcIds": ["$vpc"]}),

and, where botocore has them for it, a `Wait("VpcAvailable", …)` and a `Pages("DescribeVpcs")` once there is more
than one page of it. A note on what it lacks goes into docs/compatibility-notes.toml; `cargo xtask compat` then
writes the table. A step may be there before its operation: it rests until `adit api operations` lists it.
A new service is a new module, named in `ALL`.
"""

from . import ec2, ec2_network, ec2_services, iam, route53, route53resolver, s3, s3control

ALL = {"ec2": [*ec2.STEPS, *ec2_network.STEPS, *ec2_services.STEPS], "iam": iam.STEPS, "s3": s3.STEPS, "s3control": s3control.STEPS,
       "route53": route53.STEPS, "route53resolver": route53resolver.STEPS}

# Waiters that cannot end before another operation is built.
WAITERS_THAT_NEED = {
    # No load balancer is active before one has targets.
    ("elbv2", "LoadBalancerAvailable"): ("elbv2", "RegisterTargets"),
    # Only an interface that somebody made on its own is ever `available`.
    ("ec2", "NetworkInterfaceAvailable"): ("ec2", "CreateNetworkInterface"),
    # There are no instances to wait for.
    **{("ec2", f"Instance{state}"): ("ec2", "RunInstances") for state in ["Exists", "Running", "StatusOk", "Stopped", "Terminated"]},
    ("ec2", "SystemStatusOk"): ("ec2", "RunInstances"),
}
