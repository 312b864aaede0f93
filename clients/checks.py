"""What the clients in Python share: the shops that setup.sql makes with what they must be
worth, and tests that are printed as "ok" or "not ok"."""

import traceback
from datetime import datetime, timezone
from decimal import Decimal
from types import SimpleNamespace
from uuid import UUID

# The first moment is between Ann's first two orders, the second between the last two.
FIRST = datetime(2021, 1, 1, tzinfo=timezone.utc)
SECOND = datetime(2022, 1, 1, tzinfo=timezone.utc)

# More cents than a double has digits.
BIG = Decimal('90071992547409.93')


def shop(kind, ann, bob, cid, scale, points):
    """The shop of one type of keys.  What Ann has by then: 100.10, 300.30, and in the end
    15.015 more, rounded down by the scale of the program."""
    zeros = '0' * (scale - 2)
    return SimpleNamespace(
        kind=kind, schema='shop_' + kind, club='club_' + kind, ann=ann, bob=bob, cid=cid, scale=scale,
        points=Decimal(points),
        # rows of "members", numbers as text, with the decimals that their columns declare
        members={ann: ('Gold', points, '310.31', 3, '103.44'),
                 bob: ('Gold', str(BIG) + zeros, str(BIG), 1, str(BIG)),
                 cid: (None, '0.00' + zeros, '0.00', 0, 'None')},
        order_points=[(1, '100.10' + zeros), (2, '200.20' + zeros), (3, '15.015' if scale == 3 else '15.01')])


SHOPS = [
    shop('int', 1, 2, 3, 2, '315.31'),
    shop('bigint', 1, 2 ** 53 + 1, 3, 2, '315.31'),
    shop('text', 'ann@example.com', "O'Neill %s $1 ?", '3', 3, '315.315'),
    shop('uuid', UUID(int=0x00000000_0000_4000_8000_000000000001), UUID(int=0x00000000_0000_4000_8000_000000000002),
         UUID(int=0x00000000_0000_4000_8000_000000000003), 2, '315.31'),
]

numbered = 0


def member(tier, points, lifetime_value, orders, average_order):
    """A row of "members" as SHOPS has it: the text of a Decimal tells its decimals, too."""
    return tier, str(points), str(lifetime_value), orders, str(average_order)


def arguments_of(key):
    """All that a program in Python may hold a key in, with a name for each."""
    forms = {'its own type': key, 'str': str(key)}
    if isinstance(key, int):
        forms['Decimal'] = Decimal(key)
    return forms.items()


def tell(name, passed, detail=None):
    global numbered
    numbered += 1
    print('%s %d - %s' % ('ok' if passed else 'not ok', numbered, name), flush=True)
    if not passed and detail:
        print('#   ' + str(detail).rstrip().replace('\n', '\n#   '), flush=True)


def check(name, read, expected):
    """One test: what the function read() returns, or the exception that it raises.  What is
    expected to be a Decimal must not be a float."""
    try:
        found = read()
    except Exception as error:
        tell(name, False, traceback.format_exc(limit=-1) if not str(error) else '%s: %s' % (type(error).__name__, error))
        return
    same_type = isinstance(found, Decimal) or not isinstance(expected, Decimal)
    tell(name, found == expected and same_type, 'expected %r, found %r' % (expected, found))


def check_sqlstate(name, act, sqlstate_of, expected):
    """One test: act() fails, and the exception has this SQLSTATE."""
    try:
        act()
    except Exception as error:
        try:
            found = sqlstate_of(error)
        except AttributeError:
            found = None
        tell(name, found == expected, 'expected %s, found %s: %s' % (expected, found, error))
    else:
        tell(name, False, 'expected %s, but there was no error' % expected)


def done():
    print('done', flush=True)
