"""A program through psycopg2 or psycopg, which the argument says.  docs/clients.md has the recipes."""

import sys
from datetime import datetime, timezone
from decimal import Decimal

from checks import BIG, FIRST, SECOND, SHOPS, arguments_of, check, check_sqlstate, done, member

if sys.argv[1] == 'psycopg2':
    import psycopg2 as driver
    import psycopg2.extras
    psycopg2.extras.register_uuid()

    def connect(autocommit=False):
        connection = driver.connect('')
        connection.autocommit = autocommit
        return connection

    def sqlstate_of(error):
        return error.pgcode
else:
    import psycopg as driver

    def connect(autocommit=False):
        return driver.connect('', autocommit=autocommit)

    def sqlstate_of(error):
        return error.sqlstate


def rows(query, *arguments):
    """The transaction is rolled back if it fails, so that the next test can go on."""
    cursor = connection.cursor()
    try:
        cursor.execute(query, arguments)
        return cursor.fetchall()
    except driver.Error:
        connection.rollback()
        raise


def value(query, *arguments):
    return rows(query, *arguments)[0][0]


def rolled_back(act):
    """What act() returns, undone."""
    try:
        return act()
    finally:
        connection.rollback()


def failing(query, *arguments):
    """For check_sqlstate()."""
    return lambda: rows(query, *arguments)


MEMBER = 'SELECT tier, points, lifetime_value, orders, average_order FROM {0.club}.members WHERE customer_id '


def test_members(shop):
    for key, expected in shop.members.items():
        check('%s: the member %s' % (shop.club, key),
              lambda: member(*rows(MEMBER.format(shop) + '= %s', key)[0]), expected)
    check('%s: members of a list' % shop.club,
          lambda: sorted(member(*r) for r in rows(MEMBER.format(shop) + '= ANY(%s)', [shop.ann, shop.bob])),
          sorted([shop.members[shop.ann], shop.members[shop.bob]]))

    def columns():
        cursor = connection.cursor()
        cursor.execute('SELECT * FROM {0.club}.members'.format(shop))
        found = {column.name: (column.precision, column.scale) for column in cursor.description}
        return [found[name] for name in ('points', 'lifetime_value', 'average_order')]
    check('%s: precision and scale' % shop.club, columns, [(38, shop.scale), (38, 2), (38, 2)])


def test_functions(shop):
    for key, points in ((shop.ann, shop.points), (shop.bob, BIG), (shop.cid, Decimal(0))):
        for form, argument in arguments_of(key):
            check('%s: balance of %s as %s' % (shop.club, key, form),
                  lambda: value('SELECT {0.club}.balance(%s)'.format(shop), argument), points)
    for form, argument in arguments_of(shop.ann):
        check('%s: balances and tiers of the past, key as %s' % (shop.club, form),
              lambda: rows('SELECT {0.club}.balance(%s, %s), {0.club}.balance(%s, %s), {0.club}.tier_at(%s, %s), {0.club}.tier_at(%s, %s)'
                           .format(shop), argument, FIRST, argument, SECOND, argument, FIRST, argument, SECOND),
              [(Decimal('100.10'), Decimal('300.30'), None, 'Gold')])
    check('%s: nobody has no balance' % shop.club,
          lambda: rows('SELECT {0.club}.balance(%s), {0.club}.tier_at(%s)'.format(shop), None, None), [(None, None)])
    # psycopg prepares a query that comes often; from the tenth on, it may have one plan for all
    check('%s: the same query twenty times' % shop.club,
          lambda: [value('SELECT {0.club}.balance(%s)'.format(shop), key) for key in 10 * [shop.ann, shop.bob]],
          10 * [shop.points, BIG])


def test_orders(shop):
    check('%s: orders with their points' % shop.club,
          lambda: [(key, str(points)) for key, points in rows(
              'SELECT o.order_id, p.points FROM {0.schema}.orders o JOIN {0.club}.order_points p'
              ' ON p.customer_id = o.customer_id AND p.order_key = o.order_id::text'
              ' WHERE p.tracked_table = 1 AND o.customer_id = %s ORDER BY 1'.format(shop), shop.ann)],
          shop.order_points)

    def buy():
        cursor = connection.cursor()
        cursor.execute('INSERT INTO {0.schema}.orders VALUES (%s, %s, %s, %s)'.format(shop),
                       (5, shop.cid, datetime(2024, 1, 1, tzinfo=timezone.utc), Decimal('50.25')))
        return value('SELECT {0.club}.balance(%s)'.format(shop), shop.cid)
    check('%s: points of an order within its transaction' % shop.club, lambda: rolled_back(buy), Decimal('50.25'))
    check('%s: and none when it is rolled back' % shop.club,
          lambda: value('SELECT {0.club}.balance(%s)'.format(shop), shop.cid), Decimal(0))


def test_errors(shop):
    check_sqlstate('%s: an order that is not a number' % shop.club,
                   failing("INSERT INTO {0.schema}.orders VALUES (5, %s, now(), 'NaN') RETURNING 1".format(shop), shop.cid),
                   sqlstate_of, '22003')
    check_sqlstate('%s: a right that is not there' % shop.club,
                   failing('DELETE FROM {0.club}.account RETURNING 1'.format(shop)), sqlstate_of, '42501')


def posted(shop):
    """From a connection of its own, which sees what is committed."""
    with connect() as other:
        cursor = other.cursor()
        cursor.execute('SELECT count(*) FILTER (WHERE posted), count(*) FROM {0.club}.entries'.format(shop))
        return cursor.fetchone()


def test_post(shop):
    def post_and_roll_back():
        connection.cursor().execute('CALL loyalty.post(%s)', (shop.club,))
        connection.rollback()
        return posted(shop)
    check('%s: posting in a transaction ends with it' % shop.club, post_and_roll_back, (0, 4))

    def post():
        with connect(autocommit=True) as other:
            other.cursor().execute('CALL loyalty.post(%s, batch => %s)', (shop.club, 1))
        return posted(shop)
    check('%s: posting in autocommit' % shop.club, post, (4, 4))
    test_members(shop)
    check('%s: nothing is wrong' % shop.club, lambda: rows('SELECT * FROM loyalty.verify(%s)', shop.club), [])


connection = connect()
for each in SHOPS:
    test_members(each)
    test_functions(each)
    test_orders(each)
    test_errors(each)
    test_post(each)
check_sqlstate('a program that is not there', failing("CALL loyalty.post('nowhere')"), sqlstate_of, '42704')
check_sqlstate('a batch of none', failing('CALL loyalty.post(%s, batch => %s)', SHOPS[0].club, 0), sqlstate_of, '22023')
done()
