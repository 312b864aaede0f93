"""A program through SQLAlchemy, over psycopg2.  docs/clients.md has the recipes."""

from datetime import datetime, timezone
from decimal import Decimal

from sqlalchemy import (BigInteger, Column, DateTime, Integer, MetaData, Numeric, String, Table, and_, cast, create_engine,
                        func, inspect, select, text)
from sqlalchemy.dialects.postgresql import UUID
from sqlalchemy.orm import Session, declarative_base, foreign, joinedload, relationship, selectinload

from checks import BIG, FIRST, SECOND, SHOPS, arguments_of, check, check_sqlstate, done, member

engine = create_engine('postgresql+psycopg2://')  # where is in the variables of libpq
KEY_TYPES = {'int': Integer, 'bigint': BigInteger, 'text': String, 'uuid': UUID(as_uuid=True)}


def sqlstate_of(error):
    return error.orig.pgcode


def number(column):
    return isinstance(column.type, Numeric), column.type.precision, column.type.scale, column.type.asdecimal


def test_reflection(shop):
    """A view has no key: it is given one, all else is reflected."""
    table = Table('members', MetaData(), Column('customer_id', KEY_TYPES[shop.kind], primary_key=True),
                  schema=shop.club, autoload_with=engine)
    check('%s: the view is found' % shop.club, lambda: 'members' in inspect(engine).get_view_names(schema=shop.club), True)
    check('%s: its columns' % shop.club,
          lambda: {'tier', 'points', 'lifetime_value', 'orders', 'average_order', 'joined_at'} <= set(table.c.keys()), True)
    check('%s: its numbers' % shop.club,
          lambda: [number(table.c[name]) for name in ('points', 'lifetime_value', 'average_order')],
          [(True, 38, shop.scale, True), (True, 38, 2, True), (True, 38, 2, True)])
    check('%s: its moments have a time zone' % shop.club,
          lambda: [table.c[name].type.timezone for name in ('first_order_at', 'last_order_at', 'joined_at')], 3 * [True])
    return table


def map_shop(shop, members):
    """The classes of an application, with what the program knows of their rows."""
    base = declarative_base()

    class Member(base):
        __table__ = members

    class Customer(base):
        __tablename__ = 'customers'
        __table_args__ = {'schema': shop.schema}
        customer_id = Column(KEY_TYPES[shop.kind], primary_key=True)
        name = Column(String)
        created_at = Column(DateTime(timezone=True))
        member = relationship(Member, primaryjoin=lambda: foreign(Member.customer_id) == Customer.customer_id,
                              uselist=False, viewonly=True)

    class OrderPoints(base):
        __tablename__ = 'order_points'
        __table_args__ = {'schema': shop.club}
        customer_id = Column(KEY_TYPES[shop.kind], primary_key=True)
        tracked_table = Column(Integer, primary_key=True)
        order_key = Column(String, primary_key=True)
        points = Column(Numeric(38, shop.scale))

    class Order(base):
        __tablename__ = 'orders'
        __table_args__ = {'schema': shop.schema}
        order_id = Column(BigInteger, primary_key=True)
        customer_id = Column(KEY_TYPES[shop.kind])
        ordered_at = Column(DateTime(timezone=True))
        total = Column(Numeric(20, 2))
        earned = relationship(OrderPoints, uselist=False, viewonly=True, primaryjoin=lambda: and_(
            foreign(OrderPoints.customer_id) == Order.customer_id,
            foreign(OrderPoints.order_key) == cast(Order.order_id, String),
            OrderPoints.tracked_table == 1))

    return Member, Customer, Order


def in_session(act):
    """What act(session) returns; what it wrote is rolled back."""
    def read():
        with Session(engine) as session:
            return act(session)
    return read


def fields(m):
    return member(m.tier, m.points, m.lifetime_value, m.orders, m.average_order)


def test_mapping(shop, Member, Customer, Order):
    for key, expected in shop.members.items():
        check('%s: the member %s' % (shop.club, key), in_session(lambda s: fields(s.get(Member, key))), expected)
        check('%s: the member of the customer %s' % (shop.club, key),
              in_session(lambda s: fields(s.get(Customer, key).member)), expected)
    for name, load in (('a join', joinedload), ('a list', selectinload)):
        check('%s: all customers with their members by %s' % (shop.club, name), in_session(
            lambda s: {c.customer_id: fields(c.member) for c in s.scalars(select(Customer).options(load(Customer.member)))}),
            shop.members)
    check('%s: members of a list' % shop.club, in_session(
        lambda s: {m.customer_id: fields(m) for m in s.scalars(select(Member).where(Member.customer_id.in_([shop.ann, shop.cid])))}),
        {key: shop.members[key] for key in (shop.ann, shop.cid)})
    check('%s: customers by points' % shop.club, in_session(
        lambda s: s.scalars(select(Customer.name).join(Customer.member).where(Member.points >= shop.points).order_by(Member.points)).all()),
        ['Ann', 'Bob'])
    check('%s: orders with their points' % shop.club, in_session(
        lambda s: [(o.order_id, str(o.earned.points)) for o in s.scalars(
            select(Order).where(Order.customer_id == shop.ann).order_by(Order.order_id))]),
        shop.order_points)

    def buy(session):
        cid = session.get(Customer, shop.cid)
        before = cid.member.points
        session.add(Order(order_id=5, customer_id=shop.cid, ordered_at=datetime(2024, 1, 1, tzinfo=timezone.utc), total=Decimal('50.25')))
        session.flush()
        session.refresh(cid.member)
        return before, cid.member.points
    check('%s: points of an order within its transaction' % shop.club, in_session(buy), (Decimal(0), Decimal('50.25')))

    def write(session):
        session.get(Member, shop.ann).points = 1000
        session.flush()
    check_sqlstate('%s: members are not written' % shop.club, in_session(write), sqlstate_of, '55000')

    def not_a_number(session):
        session.add(Order(order_id=5, customer_id=shop.cid, ordered_at=datetime(2024, 1, 1, tzinfo=timezone.utc), total=Decimal('NaN')))
        session.flush()
    check_sqlstate('%s: an order that is not a number' % shop.club, in_session(not_a_number), sqlstate_of, '22003')


def test_functions(shop):
    club = getattr(func, shop.club)  # func.club.balance(...) where the name is known
    for key, points in ((shop.ann, shop.points), (shop.bob, BIG), (shop.cid, Decimal(0))):
        for form, argument in arguments_of(key):
            check('%s: balance of %s as %s' % (shop.club, key, form),
                  in_session(lambda s: s.scalar(select(club.balance(argument)))), points)
    check('%s: balances and tiers of the past' % shop.club,
          in_session(lambda s: tuple(s.execute(select(club.balance(shop.ann, FIRST), club.balance(shop.ann, SECOND),
                                                      club.tier_at(shop.ann, FIRST), club.tier_at(shop.ann, SECOND))).one())),
          (Decimal('100.10'), Decimal('300.30'), None, 'Gold'))


def posted(shop):
    with engine.connect() as connection:
        return connection.scalar(text('SELECT count(*) FROM %s.entries WHERE posted' % shop.club))


def test_post(shop):
    call = text('CALL loyalty.post(:program)')

    def in_transaction():
        with engine.connect() as connection:
            connection.execute(call, {'program': shop.club})  # rolled back at the end
        return posted(shop)
    check('%s: posting in a transaction ends with it' % shop.club, in_transaction, 0)

    def in_autocommit():
        with engine.connect().execution_options(isolation_level='AUTOCOMMIT') as connection:
            connection.execute(call, {'program': shop.club})
        return posted(shop)
    check('%s: posting in autocommit' % shop.club, in_autocommit, 4)
    check('%s: nothing is wrong' % shop.club,
          in_session(lambda s: s.execute(text('SELECT * FROM loyalty.verify(:program)'), {'program': shop.club}).all()), [])


for each in SHOPS:
    test_mapping(each, *map_shop(each, test_reflection(each)))
    test_functions(each)
    test_post(each)
check_sqlstate('a program that is not there',
               in_session(lambda s: s.execute(text("CALL loyalty.post('nowhere')"))), sqlstate_of, '42704')
done()
