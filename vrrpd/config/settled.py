"""A router as read to a virtual router: what its lines do to each other, in keepalived's order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from vrrpd.config.addresses import MAX_NAME, AddressDraft
from vrrpd.config.globals import GlobalsDraft
from vrrpd.config.macs import MacvlanNames
from vrrpd.config.routers import DEFAULT_PRIORITY, RouterDraft
from vrrpd.config.syntax import Word, quoted
from vrrpd.config.table import Reading
from vrrpd.config.values import size, spoken
from vrrpd.model import (
    CENTISECOND,
    INTERVAL_MAX_V3,
    OWNER_PRIORITY,
    SECOND,
    Announcing,
    AuthenticationType,
    Duration,
    Family,
    InitialState,
    IPAddress,
    Route,
    Rule,
    Tracker,
    Unicast,
    Version,
    VirtualAddress,
    VirtualMac,
    VirtualRouter,
)

MAX_ADDRESSES = 255
"""Of one advertisement: its count is a byte."""
_HEADERS = {Family.IPV4: 20, Family.IPV6: 40}
_ADDRESS_BYTES = {Family.IPV4: 4, Family.IPV6: 16}
_AH_BYTES = 24
_VRRP_BYTES = {Version.V2: 16, Version.V3: 8}
"""Without addresses; version 2 ends in 8 bytes of authentication."""
_DEFAULT_MTU = 1500
_TTL = {Family.IPV4: 255, Family.IPV6: 64}


@dataclass(frozen=True, slots=True)
class _Election:
    """What decides who is Master, after keepalived's side effects."""

    priority: int
    state: InitialState
    preempt: bool
    preempt_delay: Duration


@dataclass(slots=True)
class Settling:
    """What all routers of a file share while they are settled."""

    defaults: GlobalsDraft
    macvlans: MacvlanNames
    to: Reading

    def exists(self, word: Word) -> bool:
        """Whether an interface may be used, with what is against it said."""
        to = self.to
        if size(word.text) > MAX_NAME:
            to.error(word, "bad-interface", f"an interface's name has at most {MAX_NAME} characters")
            return False
        if to.node.has_interface(word.text):
            return True
        if self.defaults.dynamic_interfaces:
            to.info(word, "interface-later", f"this node has no interface {quoted(word)} yet: it may come")
            return True
        to.error(
            word, "unknown-interface", f"this node has no interface {quoted(word)}", "ip link shows those there are"
        )
        return False

    def priority(self, draft: RouterDraft) -> int:
        """MASTER without a priority is 255."""
        if draft.priority is not None:
            return draft.priority
        return OWNER_PRIORITY if draft.state is InitialState.MASTER else DEFAULT_PRIORITY

    def router(self, draft: RouterDraft, trackers: Iterable[Tracker]) -> VirtualRouter | None:
        """A virtual router, or None with an error said."""
        to, defaults, family = self.to, self.defaults, draft.family
        version = self._version(draft)
        strict = defaults.strict if draft.strict is None else draft.strict
        self._needs_address(draft, version, strict)
        authentication = draft.authentication.finished(version, family, strict, to)
        election = self._election(draft, strict, signed=authentication.type is AuthenticationType.AH)
        interface = self._interface(draft)
        unicast = self._unicast(draft)
        virtual_mac = self._virtual_mac(draft, strict, unicast is not None)
        if draft.vrid is None:
            to.error(draft.name, "no-vrid", f"{draft.name.text} has no virtual_router_id", "1 to 255, on both nodes")
        if draft.vrid is None or interface is None:
            return None
        fitting, surplus = self._fitting(draft, version)
        held = _Held(self, draft, interface, draft.vrid, virtual_mac)
        return VirtualRouter(
            name=draft.name.text,
            interface=interface,
            vrid=draft.vrid,
            priority=election.priority,
            version=version,
            initial_state=election.state,
            advertisement_interval=self._interval(draft, version),
            preempt=election.preempt,
            resigns_when_worse=draft.nopreempt_at is not None,
            preempt_delay=election.preempt_delay,
            down_timer_adverts=self._adverts_to_miss(draft, strict),
            strict=strict,
            addresses=held.addresses(fitting),
            multicast_group=self._group(draft, is_unicast=unicast is not None),
            plain_checksum=version is Version.V3 and _first(draft.checksum_as_v2, defaults.checksum_as_v2),
            authentication=authentication,
            announcing=self._announcing(draft, strict),
            trackers=tuple(trackers),
            excluded=held.addresses(surplus + draft.excluded),
            routes=held.routes(),
            rules=held.rules(),
            source_address=draft.speaking.source,
            tracks_source=draft.speaking.track_src_ip and draft.speaking.source is not None,
            unicast=unicast,
            needs_peers=draft.speaking.unicast_fault_no_peer is not None,
            virtual_mac=virtual_mac,
            tracks_interface=not draft.dont_track_primary,
            accept=self._accept(draft, version, strict, is_owner=election.priority == OWNER_PRIORITY),
            answers_lower_priority=self._answers(draft, strict),
            announces_defeat=self._announces_defeat(draft, strict),
            ignores_as_owner=_first(draft.owner_ignore_adverts, bool(defaults.owner_ignore_adverts)),
            accepts_known_lists=draft.skip_check_adv_addr or defaults.skip_check_adv_addr,
            yields_after_stall=draft.yields_after_stall,
            promotes_secondaries=self._promotes(draft),
            notification=draft.notification.finished(defaults.scripts, defaults.mails_by_default, to),
        )

    def _version(self, draft: RouterDraft) -> Version:
        is_ipv6 = draft.family is Family.IPV6
        if is_ipv6 and draft.version == Version.V2:
            self.to.warning(draft.name, "ipv6-version", "IPv6 has version 3 only: 3 is taken", "version 3")
        return Version(Version.V3 if is_ipv6 else draft.version or self.defaults.version)

    def _needs_address(self, draft: RouterDraft, version: Version, strict: bool) -> None:
        if draft.addresses or draft.no_virtual_ipaddress or not (strict or version is Version.V3):
            return
        why = "strict mode" if strict else "version 3"
        self.to.error(
            draft.name,
            "no-address",
            f"{draft.name.text} has no address, and {why} needs one; keepalived does not start either",
            "virtual_ipaddress { … }",
        )

    def _election(self, draft: RouterDraft, strict: bool, *, signed: bool) -> _Election:
        """255 and MASTER cancel nopreempt; MASTER and nopreempt cancel preempt_delay."""
        to = self.to
        priority = self.priority(draft)
        is_owner = priority == OWNER_PRIORITY
        if is_owner and draft.priority is None:
            to.advice(
                draft.name,
                "owner-by-default",
                "state MASTER without a priority is priority 255, the owner of the addresses, as in keepalived",
                "give it a priority",
            )
        owners = InitialState.MASTER if is_owner else InitialState.BACKUP
        state = draft.state or owners
        if strict and state is not owners:
            to.warning(draft.name, "strict-state", f"strict mode: priority {priority} starts as {owners}")
            state = owners
        if signed and state is InitialState.MASTER:
            to.warning(draft.name, "signed-master", "AH starts as BACKUP, as in keepalived")
            state = InitialState.BACKUP
        is_master = state is InitialState.MASTER
        if draft.nopreempt_at is not None and is_owner:
            to.advice(
                draft.nopreempt_at, "owner-preempts", "priority 255 always preempts: nopreempt counts for nothing"
            )
        preempt = draft.nopreempt_at is None or is_owner or is_master
        delay = draft.preempt_delay
        if draft.preempt_delay_at is not None and (is_master or strict or not preempt):
            why = "state MASTER" if is_master else "strict mode" if strict else "nopreempt"
            to.advice(
                draft.preempt_delay_at,
                "preempt-delay-cancelled",
                f"{why} cancels preempt_delay, as in keepalived",
                "write state BACKUP if it shall wait" if is_master else "take preempt_delay out",
            )
            delay = 0
        return _Election(priority, state, preempt, delay)

    def _interval(self, draft: RouterDraft, version: Version) -> Duration:
        """Version 2 has whole seconds on the wire, version 3 hundredths: halves go up, and nothing goes below one."""
        unit, most = (SECOND, 255 * SECOND) if version is Version.V2 else (CENTISECOND, INTERVAL_MAX_V3)
        written, word = draft.advertisement_interval, draft.advertisement_interval_at
        interval = min(max((written + unit // 2) // unit, 1) * unit, most)
        if word is not None and interval != written:
            steps = "whole seconds" if version is Version.V2 else "hundredths of a second, at most 40.95"
            self.to.warning(
                word, "rounded-interval", f"version {version} advertises at {steps}: {spoken(interval)} s is taken"
            )
        return interval

    def _adverts_to_miss(self, draft: RouterDraft, strict: bool) -> int:
        if strict:
            if draft.down_timer_adverts is not None:
                self._reset(draft, "down_timer_adverts is 3")
            return 3
        return draft.down_timer_adverts or self.defaults.down_timer_adverts

    def _reset(self, draft: RouterDraft, what: str) -> None:
        self.to.warning(draft.name, "strict-mode", f"{draft.name.text}: in strict mode {what}, whatever is written")

    def _announcing(self, draft: RouterDraft, strict: bool) -> Announcing:
        found = draft.announcing.finished(self.defaults.defaults)
        if not strict:
            return found
        if draft.announcing.garp_lower_priority_repeat or draft.announcing.garp_lower_priority_delay:
            self._reset(draft, "nothing is announced again for a lower priority")
        return replace(found, lower_priority_delay=0, lower_priority_repeat=0)

    def _answers(self, draft: RouterDraft, strict: bool) -> bool:
        silent = (
            self.defaults.lower_prio_no_advert if draft.lower_prio_no_advert is None else draft.lower_prio_no_advert
        )
        if strict and silent is False:
            self._reset(draft, "a lower priority is not answered")
        return not (strict or silent)

    def _announces_defeat(self, draft: RouterDraft, strict: bool) -> bool:
        found = _first(draft.higher_prio_send_advert, self.defaults.higher_prio_send_advert)
        if strict and found:
            self._reset(draft, "a higher priority is not answered")
        return found and not strict

    def _accept(self, draft: RouterDraft, version: Version, strict: bool, *, is_owner: bool) -> bool:
        """Strict mode: an owner alone; version 3 may say otherwise."""
        if not strict:
            return draft.accept is not False
        if draft.accept and version is Version.V2:
            self._reset(draft, "version 2 has no accept")
            return is_owner
        return is_owner if draft.accept is None else draft.accept

    def _group(self, draft: RouterDraft, *, is_unicast: bool) -> IPAddress | None:
        at = draft.speaking.group_at
        if at is not None and is_unicast:
            self.to.warning(at, "group-and-peers", "unicast has no multicast group: the line counts for nothing")
            return None
        return draft.speaking.group or self.defaults.groups.get(draft.family)

    def _unicast(self, draft: RouterDraft) -> Unicast | None:
        """Without a peer it is multicast, unless that is to be a fault."""
        speaking, to = draft.speaking, self.to
        if speaking.unicast_ttl_at is not None and not speaking.peers:
            to.warning(speaking.unicast_ttl_at, "no-peers", "unicast_ttl without peers counts for nothing")
        if not speaking.peers:
            if speaking.unicast_at is None or speaking.unicast_fault_no_peer is not None:
                return Unicast() if speaking.unicast_at is not None else None
            to.warning(
                speaking.unicast_at,
                "no-peers",
                "unicast without peers is multicast, as in keepalived",
                "list the other nodes in unicast_peer { … }",
            )
            return None
        ttl = _TTL[draft.family] if speaking.unicast_ttl is None else speaking.unicast_ttl
        return Unicast(tuple(speaking.peers), ttl, speaking.check_unicast_src or self.defaults.check_unicast_src)

    def _interface(self, draft: RouterDraft) -> str | None:
        word = draft.interface
        if word is None:
            self.to.error(
                draft.name, "no-interface", f"{draft.name.text} has no interface", "name the one that reaches the peer"
            )
            return None
        if word.text == "lo":
            hint = "name the interface that reaches the peer"
            self.to.error(word, "bad-interface", "nobody hears advertisements on lo", hint)
            return None
        return word.text if self.exists(word) else None

    def _virtual_mac(self, draft: RouterDraft, strict: bool, is_unicast: bool) -> VirtualMac | None:
        mac, to = draft.use_vmac, self.to
        if mac is None:
            if draft.vmac_xmit_base is not None:
                to.warning(draft.vmac_xmit_base, "no-virtual-mac", "vmac_xmit_base without use_vmac counts for nothing")
            return None
        on_base = draft.vmac_xmit_base is not None
        if is_unicast and not on_base:
            to.warning(mac.at, "unicast-virtual-mac", "unicast goes out on the interface itself: vmac_xmit_base is set")
            on_base = True
        if strict and draft.vmac_xmit_base is not None:
            self._reset(draft, "advertisements come from the virtual MAC address")
            on_base = False
        if strict and mac.mac is not None:
            self._reset(draft, "the virtual MAC address is RFC 5798's")
        vrid = draft.vrid or 0
        name = None if mac.name is None else mac.name.text
        owner = None if name is None else self.macvlans.owner(name)
        if mac.name is not None and owner != draft.name.text:
            to.warning(mac.name, "duplicate-name", f"{owner} has {quoted(mac.name)} already: another name is made up")
            name = None
        if name is None:
            name = self.macvlans.give(self.defaults.vmac_prefix, vrid, draft.family, draft.name.text)
        return VirtualMac(
            device=name,
            mac=None if strict else mac.address(vrid),
            advertises_on_base=on_base,
            on_all_devices=draft.use_vmac_addr,
            link_group=mac.group,
            tells_netlink=mac.notifies,
        )

    def _promotes(self, draft: RouterDraft) -> bool:
        if draft.promote_secondaries is not None and draft.use_vmac is not None:
            message = "with a virtual MAC address secondaries are promoted anyway: the line counts for nothing"
            self.to.info(draft.promote_secondaries, "promotes-anyway", message)
            return False
        return draft.promote_secondaries is not None

    def _fitting(self, draft: RouterDraft, version: Version) -> tuple[list[AddressDraft], list[AddressDraft]]:
        """What one advertisement holds of the addresses, and the rest; room for AH is always left, as in keepalived."""
        mtu = None if draft.interface is None else self.to.node.mtu(draft.interface.text)
        room = (mtu or _DEFAULT_MTU) - _HEADERS[draft.family] - _AH_BYTES - _VRRP_BYTES[version]
        most = min(MAX_ADDRESSES, max(room // _ADDRESS_BYTES[draft.family], 0))
        if len(draft.addresses) > most:
            self.to.warning(
                draft.name,
                "too-many-addresses",
                f"{draft.name.text}: an advertisement holds {most} of its {len(draft.addresses)} addresses; the others"
                " are held and not advertised, as in keepalived",
                "virtual_ipaddress_excluded for those that need not be advertised",
            )
        return draft.addresses[:most], draft.addresses[most:]


def _first(own: bool | None, default: bool) -> bool:
    return default if own is None else own


@dataclass(slots=True)
class _Held:
    """Puts what a router holds on its devices."""

    settling: Settling
    draft: RouterDraft
    interface: str
    vrid: int
    virtual_mac: VirtualMac | None

    def addresses(self, drafts: Iterable[AddressDraft]) -> tuple[VirtualAddress, ...]:
        return tuple(self._address(draft) for draft in drafts if draft.device is None or self._exists(draft.device))

    def _address(self, draft: AddressDraft) -> VirtualAddress:
        device = self.interface if draft.device is None else draft.device.text
        is_own = draft.family is self.draft.family and device == self.interface
        if is_own and self.virtual_mac is not None:
            return draft.finished(self.virtual_mac.device)
        if draft.use_vmac or (self.draft.use_vmac_addr and not is_own):
            return draft.finished(device, self._macvlan(device, draft.family))
        return draft.finished(device)

    def _macvlan(self, device: str, family: Family) -> str:
        defaults, router = self.settling.defaults, self.draft.name.text
        prefix = defaults.vmac_addr_prefix or defaults.vmac_prefix
        return self.settling.macvlans.on(device, prefix, self.vrid, family, router)

    def routes(self) -> tuple[Route, ...]:
        return tuple(route.finished() for route in self.draft.routes if self._all_exist(route.devices))

    def rules(self) -> tuple[Rule, ...]:
        return tuple(rule.finished() for rule in self.draft.rules if self._all_exist(rule.devices))

    def _all_exist(self, devices: Iterable[Word]) -> bool:
        found = [self._exists(device) for device in devices]
        return all(found)

    def _exists(self, device: Word) -> bool:
        is_macvlan = self.settling.macvlans.owner(device.text) is not None
        return is_macvlan or self.settling.exists(device)
