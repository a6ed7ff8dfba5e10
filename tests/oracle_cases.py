"""Small configurations with one particularity each, for record_oracle.py to show to keepalived."""

from __future__ import annotations

SECURE = "global_defs {\n    enable_script_security\n    script_user root\n}\n"


def block(head: str, *lines: str) -> str:
    """A block; an entry that holds newlines is a block within it."""
    inner = "".join(f"    {line}\n" for entry in lines for line in entry.rstrip("\n").split("\n"))
    return f"{head} {{\n{inner}}}\n"


def addresses(*lines: str) -> str:
    return block("virtual_ipaddress", *lines)


def router(*lines: str, name: str = "V1", vrid: int = 51, interface: str = "eth0", has: str = "10.0.0.1/24") -> str:
    """A router of one address; a later line of the same keyword counts."""
    usual = [f"interface {interface}", f"virtual_router_id {vrid}"]
    return block(f"vrrp_instance {name}", *usual, *lines, *([addresses(has)] if has else []))


def second(*lines: str) -> str:
    return router(*lines, name="V2", vrid=52, has="10.0.0.2/24")


def group(*lines: str, members: tuple[str, ...] = ("V1", "V2"), name: str = "G1") -> str:
    return block(f"vrrp_sync_group {name}", block("group", *members), *lines)


def script(*lines: str, name: str = "chk") -> str:
    return block(f"vrrp_script {name}", 'script "/bin/true"', *lines)


def process(*lines: str, name: str = "prc", program: str = "sleep") -> str:
    return block(f"vrrp_track_process {name}", f"process {program}", *lines)


def file(*lines: str, name: str = "fil") -> str:
    return block(f"track_file {name}", "file /tmp/tracked", *lines)


def excluded(*lines: str) -> str:
    return block("virtual_ipaddress_excluded", *lines)


def peers(*lines: str) -> str:
    return block("unicast_peer", *lines)


def password(kind: str = "PASS", text: str = "secret") -> str:
    return block("authentication", f"auth_type {kind}", f"auth_pass {text}")


def tracks(kind: str, *lines: str) -> str:
    return block(f"track_{kind}", *lines)


def six(*lines: str, has: str = "2001:db8::1/64") -> str:
    return router(*lines, has=has)


CASES: dict[str, tuple[str, str]] = {
    # Election
    "E01": ("state MASTER", router("state MASTER", "priority 100")),
    "E02": ("state MASTER with nopreempt", router("state MASTER", "priority 100", "nopreempt")),
    "E03": ("state MASTER with preempt_delay", router("state MASTER", "priority 100", "preempt_delay 5")),
    "E04": ("state BACKUP with preempt_delay", router("preempt_delay 2.5")),
    "E05": ("nopreempt with preempt_delay", router("nopreempt", "preempt_delay 5")),
    "E06": ("state MASTER without a priority", router("state MASTER")),
    "E07": ("priority 255 with state MASTER", router("state MASTER", "priority 255")),
    "E08": ("priority 255 with nopreempt", router("priority 255", "nopreempt")),
    "E09": ("nopreempt, then preempt", router("nopreempt", "preempt")),
    "E10": ("state MASTER, then BACKUP", router("state MASTER", "priority 100", "state BACKUP")),
    "E11": ("down_timer_adverts 2", router("down_timer_adverts 2")),
    "E12": ("lower_prio_no_advert, higher_prio_send_advert", router("lower_prio_no_advert", "higher_prio_send_advert")),
    # Excluded addresses
    "X01": ("an excluded address", router(excluded("10.0.0.2/24"))),
    "X02": ("an excluded address with options", router(excluded("10.0.0.2/24 dev eth1 label eth1:x scope link"))),
    "X03": ("an excluded address of the other family", router(excluded("2001:db8::1/64", "10.0.0.3"))),
    "X04": ("only excluded addresses", router(excluded("10.0.0.2/24"), has="")),
    "X05": ("the same address excluded too", router(excluded("10.0.0.1/24"))),
    "X06": ("an excluded IPv6 address first", router(excluded("fe80::5/64", "2001:db8::5"), has="10.0.0.1")),
    # IPv6
    "S01": ("a link-local address first", six(has="fe80::1/64\n2001:db8::1/64")),
    "S02": ("a global address first", six(has="2001:db8::1/64\nfe80::1/64")),
    "S03": ("without a prefix", six(has="fe80::1\n2001:db8::1")),
    "S04": ("an IPv4 address among them", six(has="2001:db8::1/64\n10.0.0.1/24")),
    "S05": ("an IPv6 address among IPv4 ones", router(has="10.0.0.1/24\n2001:db8::1/64")),
    "S06": ("version 2 is asked for", six("version 2")),
    "S07": ("native_ipv6", six("native_ipv6")),
    "S08": ("advert_int 0.5", six("advert_int 0.5")),
    "S09": ("preferred_lft forever", six(has="2001:db8::1 preferred_lft forever")),
    "S10": ("-nodad, home, mngtmpaddr", six(has="2001:db8::1/64 -nodad home mngtmpaddr noprefixroute")),
    "S11": ("unicast over IPv6", six("unicast_src_ip fd00::1", peers("fd00::2", "fd00::3"))),
    "S12": ("authentication with IPv6", six(password())),
    "S13": ("mcast_src_ip of IPv6", six("mcast_src_ip fe80::9")),
    # Version 3
    "T01": ("version 3", router("version 3")),
    "T02": ("version 3 with centiseconds", router("version 3", "advert_int 0.015")),
    "T03": ("version 3 beyond its range", router("version 3", "advert_int 41")),
    "T04": ("version 3 with authentication", router("version 3", password())),
    "T05": (
        "vrrp_version 3 and version 2 in the router",
        "global_defs {\n    vrrp_version 3\n}\n" + router("version 2"),
    ),
    "T06": ("v3_checksum_as_v2", router("version 3", "v3_checksum_as_v2")),
    # Authentication
    "A20": ("PASS", router(password())),
    "A21": ("AH", router(password("AH"))),
    "A22": ("AH with state MASTER", router("state MASTER", "priority 100", password("AH"))),
    "A23": ("AH with state MASTER and nopreempt", router("state MASTER", "priority 100", "nopreempt", password("AH"))),
    "A24": ("a password in quotes", router(password(text='"a #!b"'))),
    "A25": ("a password beyond 8 bytes of UTF-8", router(password(text="£6nj7^5£"))),
    "A26": ("authentication twice", router(password(), password("AH", "other"))),
    # Speaking
    "N20": ("unicast_src_ip and a peer", router("unicast_src_ip 192.0.2.1", peers("192.0.2.2"))),
    "N21": ("a range of TTLs", router(peers("192.0.2.2 min_ttl 254 max_ttl 255", "192.0.2.3 max_ttl 9"))),
    "N22": ("unicast_ttl and check_unicast_src", router(peers("192.0.2.2"), "unicast_ttl 64", "check_unicast_src")),
    "N23": ("peers without an entry", router(peers())),
    "N24": ("peers without an entry, unicast_fault_no_peer", router(peers(), "unicast_fault_no_peer")),
    "N25": ("a source that is not here", router("unicast_src_ip 192.0.2.77", peers("192.0.2.2"))),
    "N26": ("mcast_src_ip", router("mcast_src_ip 192.0.2.1")),
    "N27": ("mcast_dst_ip", router("mcast_dst_ip 224.0.0.99")),
    "N28": ("vrrp_mcast_group4", "global_defs {\n    vrrp_mcast_group4 224.0.0.99\n}\n" + router()),
    "N29": ("peers of both families", router(peers("192.0.2.2", "fd00::2"))),
    "N30": ("track_src_ip without a source", router("track_src_ip")),
    "N31": ("itself as a peer, and one twice", router(peers("192.0.2.1", "192.0.2.2", "192.0.2.2"))),
    # Interfaces
    "I20": ("track_interface", router(tracks("interface", "eth1"))),
    "I21": ("track_interface with a weight", router(tracks("interface", "eth1 weight -20"))),
    "I22": ("track_interface with a weight in reverse", router(tracks("interface", "eth1 weight 20 reverse"))),
    "I23": ("track_interface of its own", router(tracks("interface", "eth0"))),
    "I24": ("track_interface of its own with a weight", router(tracks("interface", "eth0 weight 5"))),
    "I25": ("track_interface twice", router(tracks("interface", "eth1 weight 5", "eth1 weight 6"))),
    "I26": ("track_interface that is not there", router(tracks("interface", "nosuch0"))),
    "I27": ("track_interface with weight 254", router(tracks("interface", "eth1 weight 254"))),
    "I28": ("track_interface at priority 255", router("priority 255", tracks("interface", "eth1 weight 5"))),
    "I29": ("dont_track_primary", router("dont_track_primary", tracks("interface", "eth1"))),
    "I30": ("track_interface with weight 300", router(tracks("interface", "eth1 weight 300"))),
    # Scripts
    "C20": (
        "a weight of the script in reverse",
        SECURE + script("weight 10 reverse") + router(tracks("script", "chk")),
    ),
    "C21": ("noreverse", SECURE + script("weight 10 reverse") + router(tracks("script", "chk noreverse"))),
    "C22": ("two scripts", SECURE + script() + script(name="two") + router(tracks("script", "chk", "two weight -5"))),
    "C23": ("a script after its router", SECURE + router(tracks("script", "chk")) + script()),
    "C24": (
        "track_script at priority 255",
        SECURE + script() + router("priority 255", tracks("script", "chk weight 5")),
    ),
    "C25": (
        "script </file",
        SECURE + block("vrrp_script chk", 'script "</etc/passwd"') + router(tracks("script", "chk")),
    ),
    "C26": ("timeout above the interval", SECURE + script("interval 2", "timeout 5") + router(tracks("script", "chk"))),
    "C27": (
        "rise, fall, init_fail",
        SECURE + script("rise 2", "fall 3", "init_fail") + router(tracks("script", "chk")),
    ),
    # Files
    "F01": ("track_file", file("weight 10") + router(tracks("file", "fil"))),
    "F02": ("track_file with its own weight", file("weight 10") + router(tracks("file", "fil weight -5 reverse"))),
    "F03": ("track_file without a weight", file() + router(tracks("file", "fil"))),
    "F04": (
        "vrrp_track_file with init_file",
        block("vrrp_track_file fil", 'file "/tmp/new"', "init_file 5") + router(tracks("file", "fil")),
    ),
    "F05": ("init_file overwrite", file("weight 1", "init_file 3 overwrite") + router(tracks("file", "fil"))),
    "F06": ("track_file that is not defined", router(tracks("file", "nosuch"))),
    "F07": ("track_file with weight 0", file("weight 0") + router(tracks("file", "fil"))),
    "F08": (
        "a file that is not there",
        block("track_file fil", "file /tmp/nosuch", "weight 5") + router(tracks("file", "fil")),
    ),
    # Processes
    "P20": ("track_process", process() + router(tracks("process", "prc"))),
    "P21": ("track_process with a weight", process("weight 10") + router(tracks("process", "prc"))),
    "P22": ("a weight where it is tracked", process("weight 10") + router(tracks("process", "prc weight -5"))),
    "P23": ("quorum and quorum_max", process("quorum 2", "quorum_max 4") + router(tracks("process", "prc"))),
    "P24": ("delays", process("delay 2.5") + router(tracks("process", "prc"))),
    "P25": (
        "fork_delay and terminate_delay",
        process("fork_delay 1", "terminate_delay 0.5") + router(tracks("process", "prc")),
    ),
    "P26": ("parameters", process(program='"sleep 1000"') + router(tracks("process", "prc"))),
    "P27": (
        "parameters and param_match",
        process("param_match initial", program="sleep 10") + router(tracks("process", "prc")),
    ),
    "P28": ("full_command", process("full_command") + router(tracks("process", "prc"))),
    "P29": ("quorum_max 0", process("quorum_max 0") + router(tracks("process", "prc"))),
    "P30": (
        "a name of more than 15 bytes",
        process(program="a-process-name-of-24-byt") + router(tracks("process", "prc")),
    ),
    # Groups
    "G20": ("a sync group", group() + router() + second()),
    "G21": ("a sync group after its members", router() + second() + group()),
    "G22": ("members on one line", group(members=("V1 V2",)) + router() + second()),
    "G23": ("one member", group(members=("V1",)) + router()),
    "G24": ("a group tracks an interface", group(tracks("interface", "eth1 weight 5")) + router() + second()),
    "G25": (
        "a group tracks a script",
        SECURE + script("weight -5") + group(tracks("script", "chk")) + router() + second(),
    ),
    "G26": ("a member's weighted interface", group() + router(tracks("interface", "eth1 weight 5")) + second()),
    "G27": (
        "a member's weighted script",
        SECURE + script() + group() + router(tracks("script", "chk weight 5")) + second(),
    ),
    "G28": ("a member's unweighted script", SECURE + script() + group() + router(tracks("script", "chk")) + second()),
    "G29": (
        "sync_group_tracking_weight",
        SECURE
        + script()
        + group("sync_group_tracking_weight")
        + router(tracks("script", "chk weight 5"), tracks("interface", "eth1 weight 6"))
        + second(),
    ),
    "G30": ("a member's weighted file", file("weight 3") + group() + router(tracks("file", "fil")) + second()),
    "G31": ("a member's weighted process", process("weight 3") + group() + router(tracks("process", "prc")) + second()),
    "G32": (
        "a member at priority 255",
        group(tracks("interface", "eth1 weight 5")) + router("priority 255") + second(),
    ),
    "G33": (
        "what a group tells",
        SECURE + group('notify_master "/bin/true m"', 'notify "/bin/true g" root', "smtp_alert") + router() + second(),
    ),
    "G34": (
        "a group without a name's brace",
        "vrrp_sync_group G1\n{\n    group\n    {\n        V1\n        V2\n    }\n}\n" + router() + second(),
    ),
    "G35": (
        "both track one interface",
        group(tracks("interface", "eth1")) + router(tracks("interface", "eth1")) + second(),
    ),
    "G36": ("state MASTER in one member", group() + router("state MASTER", "priority 100") + second()),
    # Addresses
    "W30": ("no_track", router(has="10.0.0.1/24 no_track")),
    "W31": ("peer", router(has="10.0.0.1 peer 10.0.0.9/32")),
    "W32": ("broadcast", router(has="10.0.0.1/24 brd 10.0.0.99")),
    "W33": ("scope as a number", router(has="10.0.0.1/24 scope 0x10\n10.0.0.2/24 scope nowhere")),
    "W34": ("label and device in the other order", router(has="10.0.0.1/24 label eth1:a dev eth1")),
    "W35": ("more than 20 addresses", router(has="\n".join(f"10.0.0.{n}" for n in range(1, 31)))),
    "W36": ("promote_secondaries", router("promote_secondaries", has="10.0.0.1/24\n10.0.0.2/24")),
    "W37": ("no_virtual_ipaddress", router("no_virtual_ipaddress", has="")),
    "W38": ("virtual_ipaddress twice", router(addresses("10.0.0.1/24"), has="10.0.0.2/24")),
    # Routes and rules
    "R20": ("a route", router(block("virtual_routes", "192.168.1.0/24 via 10.0.0.9 dev eth0"))),
    "R21": (
        "routes of many forms",
        router(
            block(
                "virtual_routes",
                "src 10.0.0.1 192.168.1.0/24 via 10.0.0.9 dev eth1 metric 5 table 100",
                "default via 10.0.0.9 dev eth0",
                "192.168.2.0/24 dev eth0 scope link mtu 1400",
                "blackhole 192.168.3.0/24",
                "192.168.4.1 via 10.0.0.9 dev eth0 no_track",
            )
        ),
    ),
    "R22": (
        "nexthops",
        router(
            block(
                "virtual_routes",
                "192.168.1.0/24 nexthop via 10.0.0.9 dev eth0 weight 1 nexthop via 10.0.0.10 dev eth0 weight 2",
            )
        ),
    ),
    "R23": ("gw", router(block("virtual_routes", "192.168.1.0/24 gw 10.0.0.9 dev eth0"))),
    "R24": ("a route of IPv6", router(block("virtual_routes", "2001:db8:1::/48 via fe80::9 dev eth0"))),
    "R25": (
        "rules",
        router(
            block(
                "virtual_rules",
                "from 10.0.0.0/24 table 5 preference 100",
                "to 192.168.1.0/24 fwmark 0x10/0xff iif eth0 table main priority 101",
            )
        ),
    ),
    "R26": (
        "a rule of other forms",
        router(
            block(
                "virtual_rules",
                "from 10.0.0.0/8 blackhole preference 9",
                "not from 10.1.0.0/16 oif eth1 tos 0x10 table 6 preference 10",
            )
        ),
    ),
    "R27": (
        "a static address, route and rule",
        block("static_ipaddress", "10.9.0.1/24 dev eth1")
        + block("static_routes", "192.168.9.0/24 via 10.9.0.9 dev eth1")
        + block("static_rules", "from 10.9.0.0/24 table 9 preference 90")
        + router(),
    ),
    "R28": ("a static address without a device", block("static_ipaddress", "10.9.0.1/24") + router()),
    # Strict, accept, announcing
    "Z01": ("strict_mode", router("strict_mode", "preempt_delay 5")),
    "Z02": ("vrrp_strict with unicast", "global_defs {\n    vrrp_strict\n}\n" + router(peers("192.0.2.2"))),
    "Z03": (
        "vrrp_strict with state MASTER",
        "global_defs {\n    vrrp_strict\n}\n" + router("state MASTER", "priority 100"),
    ),
    "Z04": ("vrrp_strict without an address", "global_defs {\n    vrrp_strict\n}\n" + router(has="")),
    "Z05": (
        "vrrp_strict, strict_mode off",
        "global_defs {\n    vrrp_strict\n}\n" + router("strict_mode off", password()),
    ),
    "Z06": (
        "vrrp_strict with version 3 and accept",
        "global_defs {\n    vrrp_strict\n}\n" + router("version 3", "accept"),
    ),
    "Z07": ("no_accept", router("no_accept")),
    "Z08": ("no_accept with version 3", router("version 3", "no_accept")),
    "Z10": (
        "announcing in the router",
        router(
            "garp_master_delay 1",
            "garp_master_repeat 2",
            "garp_master_refresh 30",
            "garp_master_refresh_repeat 3",
            "garp_lower_prio_delay 4",
            "garp_lower_prio_repeat 5",
        ),
    ),
    "Z11": (
        "announcing in global_defs",
        "global_defs {\n    vrrp_garp_master_delay 1\n    vrrp_garp_master_repeat 2\n}\n" + router(),
    ),
    "Z12": ("vrrp_min_garp", "global_defs {\n    vrrp_min_garp\n}\n" + router()),
    "Z13": (
        "vrrp_min_garp and a repeat",
        "global_defs {\n    vrrp_min_garp\n    vrrp_garp_master_repeat 3\n}\n" + router(),
    ),
    # Virtual MAC
    "M01": ("use_vmac", router("use_vmac")),
    "M02": ("use_vmac with a name", router("use_vmac mac0")),
    "M03": ("use_vmac with a name and an interface", router("use_vmac mac0 eth1")),
    "M04": ("use_vmac false", router("use_vmac false")),
    "M05": ("use_vmac and vmac_xmit_base", router("use_vmac", "vmac_xmit_base")),
    "M06": ("use_vmac and unicast", router("use_vmac", peers("192.0.2.2"))),
    "M07": ("use_vmac with IPv6", six("use_vmac", has="fe80::1/64\n2001:db8::1/64")),
    "M08": ("use_vmac and use_vmac_addr", router("use_vmac", "use_vmac_addr", has="10.0.0.1/24\n10.0.1.1/24 dev eth1")),
    "M09": ("an address with use_vmac", router(has="10.0.0.1/24\n10.0.1.1/24 dev eth1 use_vmac")),
    "M10": ("vmac_prefix", "global_defs {\n    vmac_prefix lb\n}\n" + router("use_vmac")),
    # Telling
    "Y01": (
        "every notification",
        SECURE
        + router(
            'notify_master "/bin/true m"',
            'notify_backup "/bin/true b" root',
            'notify_fault "/bin/true f" root root',
            'notify_stop "/bin/true s"',
            'notify "/bin/true n"',
            'notify_master_rx_lower_pri "/bin/true l"',
            'notify_deleted "/bin/true d"',
            "smtp_alert",
        ),
    ),
    "Y02": ("a notification twice", SECURE + router('notify_master "/bin/true a"', 'notify_master "/bin/true b"')),
    "Y03": ("notify_deleted alone", router("notify_deleted")),
    "Y04": ("notify_priority_changes", router("notify_priority_changes")),
    "Y05": ("smtp_alert_vrrp", "global_defs {\n    smtp_alert_vrrp\n}\n" + router()),
    "Y06": ("smtp_alert_vrrp, smtp_alert off", "global_defs {\n    smtp_alert_vrrp\n}\n" + router("smtp_alert off")),
    "Y07": ("smtp_alert in global_defs", "global_defs {\n    smtp_alert\n}\n" + router()),
    "Y08": (
        "addresses of mail, nothing else",
        "global_defs {\n    notification_email {\n        a@b.example\n    }\n    smtp_server 192.0.2.25\n}\n"
        + router(),
    ),
}
"""Title and configuration by identifier."""
