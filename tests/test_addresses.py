"""Whose an address is, when several routers of a node need it."""

from __future__ import annotations

from ipaddress import IPv4Interface

from sample import VIP, VIP2

from vrrpd.addresses import AddressBook
from vrrpd.model import Family, Identity, VirtualAddress

R50, R51 = Identity("eth0", Family.IPV4, 50), Identity("eth0", Family.IPV4, 51)


def test_what_one_router_drops_and_another_needs_is_not_removed() -> None:
    book = AddressBook()
    book.need(R50, (VIP, VIP2))
    book.need(R51, (VIP,))
    assert book.drop(R50, (VIP, VIP2)) == (VIP2,)
    assert book.drop(R51, (VIP,)) == (VIP,)


def test_what_nobody_needs_is_removed_so_that_a_start_sweeps() -> None:
    assert AddressBook().drop(R50, (VIP,)) == (VIP,)


def test_a_sweep_takes_nothing_from_the_router_that_holds_it() -> None:
    book = AddressBook()
    book.need(R50, (VIP,))
    assert book.drop(R51, (VIP,)) == ()
    assert book.drop(R50, (VIP,)) == (VIP,)


def test_one_address_on_two_devices_is_two() -> None:
    elsewhere = VirtualAddress(VIP.interface, "eth1")
    book = AddressBook()
    book.need(R50, (VIP,))
    book.need(R51, (elsewhere,))
    assert book.drop(R50, (VIP,)) == (VIP,)


def test_one_address_with_two_prefixes_is_one() -> None:
    wider = VirtualAddress(IPv4Interface("10.230.137.100/24"), "eth0")
    book = AddressBook()
    book.need(R50, (VIP,))
    book.need(R51, (wider,))
    assert book.drop(R50, (VIP,)) == ()


def test_an_address_is_unconfirmed_until_the_kernel_says_so() -> None:
    book = AddressBook()
    assert book.unconfirmed((VIP,)) == (), "it is not due"
    book.need(R50, (VIP, VIP2))
    assert book.unconfirmed((VIP, VIP2)) == (VIP, VIP2)
    book.report(VIP, present=True, error=0)
    book.report(VIP2, present=True, error=13)
    assert book.unconfirmed((VIP, VIP2)) == (VIP2,)
    assert book.error((VIP, VIP2)) == 13
    book.report(VIP2, present=True, error=0)
    assert (book.unconfirmed((VIP, VIP2)), book.error((VIP, VIP2))) == ((), 0)


def test_an_answer_about_an_address_that_is_not_due_is_of_no_interest() -> None:
    book = AddressBook()
    book.report(VIP, present=True, error=0)
    book.need(R50, (VIP,))
    assert book.unconfirmed((VIP,)) == (VIP,)


def test_only_an_address_that_was_there_can_be_lost_and_only_once() -> None:
    book = AddressBook()
    assert not book.lost(VIP.key)
    book.need(R50, (VIP,))
    assert not book.lost(VIP.key), "not confirmed yet"
    book.report(VIP, present=True, error=0)
    assert book.lost(VIP.key)
    assert not book.lost(VIP.key)
    assert book.unconfirmed((VIP,)) == (VIP,)


def test_a_second_router_finds_the_address_confirmed() -> None:
    book = AddressBook()
    book.need(R50, (VIP,))
    book.report(VIP, present=True, error=0)
    book.need(R51, (VIP,))
    assert book.unconfirmed((VIP,)) == ()
