"""A program through asyncpg, which prepares every query, and sends and reads all in binary form."""

import asyncio
from decimal import Decimal

import asyncpg

from checks import BIG, FIRST, SECOND, SHOPS, arguments_of, check, check_sqlstate, done, member

loop = asyncio.new_event_loop()
run = loop.run_until_complete
connection = run(asyncpg.connect())  # where is in the variables of libpq


def sqlstate_of(error):
    return error.sqlstate


def rows(query, *arguments):
    return run(connection.fetch(query, *arguments))


def value(query, *arguments):
    return run(connection.fetchval(query, *arguments))


async def rolled_back(*commands):
    """The value of the last of the commands, each with its arguments, undone."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        for command, *arguments in commands:
            found = await connection.fetchval(command, *arguments)
        return found
    finally:
        await transaction.rollback()


MEMBER = 'SELECT tier, points, lifetime_value, orders, average_order FROM {0.club}.members WHERE customer_id '


def test_reads(shop):
    for key, expected in shop.members.items():
        check('%s: the member %s' % (shop.club, key), lambda: member(*rows(MEMBER.format(shop) + '= $1', key)[0]), expected)
    check('%s: members of an array' % shop.club,
          lambda: [member(*r) for r in rows(MEMBER.format(shop) + '= ANY ($1) ORDER BY orders DESC', [shop.cid, shop.ann])],
          [shop.members[shop.ann], shop.members[shop.cid]])
    for key, points in ((shop.ann, shop.points), (shop.bob, BIG), (shop.cid, Decimal(0))):
        for form, argument in arguments_of(key):
            check('%s: balance of %s as %s' % (shop.club, key, form),
                  lambda: value('SELECT {0.club}.balance($1)'.format(shop), argument), points)
    check('%s: balances and tiers of the past' % shop.club,
          lambda: tuple(rows('SELECT {0.club}.balance($1, $2), {0.club}.balance($1, $3), {0.club}.tier_at($1, $2), {0.club}.tier_at($1, $3)'
                             .format(shop), shop.ann, FIRST, SECOND)[0]),
          (Decimal('100.10'), Decimal('300.30'), None, 'Gold'))
    check('%s: orders with their points' % shop.club,
          lambda: [(key, str(points)) for key, points in rows(
              'SELECT o.order_id, p.points FROM {0.schema}.orders o JOIN {0.club}.order_points p'
              ' ON p.customer_id = o.customer_id AND p.order_key = o.order_id::text'
              ' WHERE p.tracked_table = 1 AND o.customer_id = $1 ORDER BY 1'.format(shop), shop.ann)],
          shop.order_points)


def test_writes(shop):
    insert = 'INSERT INTO {0.schema}.orders VALUES (5, $1, now(), $2)'.format(shop)
    check('%s: points of an order within its transaction' % shop.club,
          lambda: run(rolled_back((insert, shop.cid, Decimal('50.25')), ('SELECT {0.club}.balance($1)'.format(shop), shop.cid))),
          Decimal('50.25'))
    check_sqlstate('%s: an order that is not a number' % shop.club,
                   lambda: run(rolled_back((insert, shop.cid, Decimal('NaN')))), sqlstate_of, '22003')
    posted = 'SELECT count(*) FROM {0.club}.entries WHERE posted'.format(shop)
    post = 'CALL loyalty.post($1)', shop.club
    run(rolled_back(post))
    check('%s: posting in a transaction ends with it' % shop.club, lambda: value(posted), 0)
    run(connection.execute(*post))
    check('%s: posting outside of one' % shop.club, lambda: value(posted), 4)
    check('%s: nothing is wrong' % shop.club, lambda: rows('SELECT * FROM loyalty.verify($1)', shop.club), [])


for each in SHOPS:
    test_reads(each)
    test_writes(each)
check_sqlstate('a program that is not there', lambda: value("CALL loyalty.post('nowhere')"), sqlstate_of, '42704')
run(connection.close())
done()
