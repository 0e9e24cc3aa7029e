//! Programs inside a namespace: what they see of the network and of names, and what not.

use std::fs;
use std::process::{Command, Stdio};

use adit_net::exec::{NameFiles, command_in, nsswitch};

use crate::harness::{Outcome, Test};
use crate::helpers::{command, installed};
use crate::lab::{Lab, lab};
use crate::topology::internet;

pub(crate) const TESTS: &[Test] = &[
    (
        "exec::a_program_sees_the_namespace_and_its_names",
        sees_the_namespace,
    ),
    ("exec::the_host_is_not_changed", the_host_is_not_changed),
    (
        "exec::missing_and_dangling_files_are_given_too",
        missing_and_dangling_files,
    ),
    (
        "exec::the_program_keeps_what_is_its_own",
        keeps_what_is_its_own,
    ),
];

fn ready() -> Result<Lab, Outcome> {
    let lab = Lab::new()?;
    lab.settle("internet", &internet());
    Ok(lab)
}

fn said(lab: &Lab, script: &str) -> String {
    let handle = lab.agent().namespace("inet").unwrap();
    let files = NameFiles::resolver([169, 254, 169, 253].into());
    let mut command = command_in(&handle, "sh", &files).unwrap();
    let output = command
        .args(["-c", script])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "{script}");
    String::from_utf8(output.stdout).unwrap()
}

macro_rules! ready {
    () => {
        match ready() {
            Ok(lab) => lab,
            Err(outcome) => return outcome,
        }
    };
}

fn sees_the_namespace() -> Outcome {
    let lab = ready!();
    assert!(said(&lab, "ip addr").contains("203.0.113.10/32"));
    assert_eq!(
        said(&lab, "cat /etc/resolv.conf"),
        "nameserver 169.254.169.253\n"
    );
    let names = said(&lab, "cat /etc/nsswitch.conf");
    assert!(names.ends_with("hosts: files dns\n"));
    assert_eq!(names.matches("hosts:").count(), 1);
    // Everybody may read them, whatever the caller's umask.
    assert_eq!(said(&lab, "stat -c %a /etc/resolv.conf"), "644\n");
    // The rest of /etc and /tmp are the host's.
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    assert_eq!(said(&lab, "cat /etc/passwd"), passwd);
    let own = lab.dir.path();
    let (parent, name) = (own.parent().unwrap().display(), own.file_name().unwrap());
    assert!(said(&lab, &format!("ls {parent}")).contains(name.to_str().unwrap()));
    Outcome::Passed
}

fn the_host_is_not_changed() -> Outcome {
    let lab = ready!();
    let state = || {
        let read = |path| fs::read(path).unwrap_or_default();
        (
            read("/etc/resolv.conf"),
            read("/etc/nsswitch.conf"),
            fs::read_dir("/tmp").unwrap().count() > 0,
        )
    };
    let mounts = || {
        let all = fs::read_to_string("/proc/self/mountinfo").unwrap();
        all.lines()
            .filter(|line| line.contains(" /etc") || line.contains("/tmp "))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let (files, before) = (state(), mounts());
    said(&lab, "true");
    assert_eq!(state(), files);
    assert_eq!(mounts(), before);
    Outcome::Passed
}

/// Puts files into a directory.
type Prepare<'a> = &'a dyn Fn(&std::path::Path);

/// With an /etc whose files are missing, links to nowhere, or links to somewhere else.
fn missing_and_dangling_files() -> Outcome {
    let lab = ready!();
    if lab.agent().hello().rootless || !installed("unshare") {
        return Outcome::Ignored("needs root and unshare to change what /etc is".into());
    }
    let real = lab.dir.path().join("elsewhere");
    fs::write(&real, "the host's\n").unwrap();
    let cases: [(&str, Prepare<'_>); 3] = [
        ("missing", &|_| {}),
        ("dangling", &|etc| {
            std::os::unix::fs::symlink("/run/nowhere/resolv.conf", etc.join("resolv.conf"))
                .unwrap();
        }),
        ("linked", &|etc| {
            std::os::unix::fs::symlink(&real, etc.join("resolv.conf")).unwrap();
            fs::write(etc.join("nsswitch.conf"), "hosts: resolve\n").unwrap();
        }),
    ];
    for (name, prepare) in cases {
        let etc = lab.dir.path().join(name);
        fs::create_dir(&etc).unwrap();
        fs::write(etc.join("other"), "kept\n").unwrap();
        prepare(&etc);
        let helper = command("run-in");
        let program = helper.get_program().to_str().unwrap();
        let script = format!(
            "mount --bind {etc} /etc && {program} run-in {state} inet cat /etc/resolv.conf /etc/other /etc/nsswitch.conf",
            etc = etc.display(),
            state = lab.options.state_dir.display(),
        );
        let output = Command::new("unshare")
            .args(["-m", "sh", "-c", &script])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            said, "nameserver 10.0.0.2\nkept\nhosts: files dns\n",
            "{name}: {error}"
        );
    }
    assert_eq!(fs::read_to_string(&real).unwrap(), "the host's\n");
    assert!(!lab.dir.path().join("missing/resolv.conf").exists());
    Outcome::Passed
}

fn keeps_what_is_its_own() -> Outcome {
    let lab = lab!();
    lab.settle("internet", &internet());
    let handle = lab.agent().namespace("inet").unwrap();
    let mut command = command_in(&handle, "sh", &NameFiles::default()).unwrap();
    let script = "pwd; echo $MINE; id -u; exit 7";
    let output = command
        .args(["-c", script])
        .env("MINE", "yes")
        .current_dir("/usr")
        .output()
        .unwrap();
    let user = Command::new("id").arg("-u").output().unwrap().stdout;
    let user = String::from_utf8(user).unwrap();
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        format!("/usr\nyes\n{user}")
    );
    assert_eq!(output.status.code(), Some(7));
    // Without replaced files it sees the host's.
    let host = fs::read("/etc/resolv.conf").unwrap_or_default();
    let output = command_in(&handle, "cat", &NameFiles::default())
        .unwrap()
        .arg("/etc/resolv.conf")
        .output();
    assert_eq!(output.unwrap().stdout, host);
    assert_eq!(nsswitch("hosts: x"), "hosts: files dns\n");
    // A namespace that was removed meanwhile is still one for who holds it.
    lab.agent().remove("internet").unwrap();
    let status = command_in(&handle, "true", &NameFiles::default())
        .unwrap()
        .status()
        .unwrap();
    assert!(status.success());
    Outcome::Passed
}
