"""A program through Django.  docs/clients.md has the recipes."""

import re
from datetime import datetime, timezone
from decimal import Decimal
from io import StringIO

from django.core.management import call_command
from django.db import connection, models, transaction
from django.db.models import F, Func, OuterRef, Subquery
from django.db.models.functions import Cast

from checks import BIG, FIRST, SECOND, SHOPS, arguments_of, check, check_sqlstate, done, member
from django_settings import configure

configure([shop.schema for shop in SHOPS], [shop.club for shop in SHOPS])


def sqlstate_of(error):
    """Django's errors are caused by those of psycopg2 or of psycopg."""
    cause = error.__cause__
    return getattr(cause, 'sqlstate', None) or cause.pgcode


def key_field(shop, **options):
    return {'int': models.IntegerField, 'bigint': models.BigIntegerField, 'text': models.TextField,
            'uuid': models.UUIDField}[shop.kind](**options)


def meta(shop, schema, table):
    """Tables of another schema are named with quotes, which Django then leaves alone."""
    return type('Meta', (), {'managed': False, 'db_table': '"%s"."%s"' % (schema, table), 'app_label': shop.schema})


def map_shop(shop):
    class Customer(models.Model):
        customer_id = key_field(shop, primary_key=True)
        name = models.TextField()
        created_at = models.DateTimeField()
        Meta = meta(shop, shop.schema, 'customers')

    class Member(models.Model):
        customer = models.OneToOneField(Customer, models.DO_NOTHING, primary_key=True, related_name='member')
        tier = models.TextField(null=True)
        points = models.DecimalField(max_digits=38, decimal_places=shop.scale)
        lifetime_value = models.DecimalField(max_digits=38, decimal_places=2)
        orders = models.BigIntegerField()
        average_order = models.DecimalField(max_digits=38, decimal_places=2, null=True)
        Meta = meta(shop, shop.club, 'members')

    class Order(models.Model):
        order_id = models.BigIntegerField(primary_key=True)
        customer = models.ForeignKey(Customer, models.DO_NOTHING)
        ordered_at = models.DateTimeField()
        total = models.DecimalField(max_digits=20, decimal_places=2)
        Meta = meta(shop, shop.schema, 'orders')

    class OrderPoints(models.Model):
        order_key = models.TextField(primary_key=True)  # within one tracked table, which queries name
        customer = models.ForeignKey(Customer, models.DO_NOTHING)
        tracked_table = models.IntegerField()
        points = models.DecimalField(max_digits=38, decimal_places=shop.scale)
        Meta = meta(shop, shop.club, 'order_points')

    return Customer, Member, Order, OrderPoints


def undone(act):
    """What act() returns; what it wrote is rolled back."""
    def read():
        with transaction.atomic():
            found = act()
            transaction.set_rollback(True)
        return found
    return read


def test_inspectdb(shop):
    """It finds what is in the search_path, and views when it is told to."""
    def inspected():
        out = StringIO()
        call_command('inspectdb', 'members', database=shop.club, include_views=True, stdout=out)
        return [re.search(r'%s = models\.(\w+)\(max_digits=(\d+), decimal_places=(\d+)' % name, out.getvalue()).groups()
                for name in ('points', 'lifetime_value', 'average_order')]
    check('%s: inspectdb finds its numbers' % shop.club, inspected,
          [('DecimalField', '38', str(shop.scale)), ('DecimalField', '38', '2'), ('DecimalField', '38', '2')])


def fields(m):
    return member(m.tier, m.points, m.lifetime_value, m.orders, m.average_order)


def test_mapping(shop, Customer, Member, Order, OrderPoints):
    for key, expected in shop.members.items():
        check('%s: the member %s' % (shop.club, key), lambda: fields(Member.objects.get(pk=key)), expected)
        check('%s: the member of the customer %s' % (shop.club, key), lambda: fields(Customer.objects.get(pk=key).member), expected)
    check('%s: all customers with their members by a join' % shop.club,
          lambda: {c.pk: fields(c.member) for c in Customer.objects.select_related('member')}, shop.members)
    check('%s: all customers with their members by a list' % shop.club,
          lambda: {c.pk: fields(c.member) for c in Customer.objects.prefetch_related('member')}, shop.members)
    check('%s: members of a list' % shop.club,
          lambda: {m.pk: fields(m) for m in Member.objects.filter(pk__in=[shop.ann, shop.cid])},
          {key: shop.members[key] for key in (shop.ann, shop.cid)})
    check('%s: customers by points' % shop.club,
          lambda: list(Customer.objects.filter(member__points__gte=shop.points).order_by('member__points').values_list('name', flat=True)),
          ['Ann', 'Bob'])
    earned = OrderPoints.objects.filter(tracked_table=1, customer=OuterRef('customer'),
                                        order_key=Cast(OuterRef('order_id'), models.TextField()))
    check('%s: orders with their points' % shop.club,
          lambda: [(o.order_id, str(o.earned)) for o in Order.objects.filter(customer=shop.ann).annotate(
              earned=Subquery(earned.values('points'))).order_by('order_id')], shop.order_points)
    check('%s: points of the orders of a customer' % shop.club,
          lambda: [(int(p.order_key), str(p.points)) for p in OrderPoints.objects.filter(
              customer=shop.ann, tracked_table=1).order_by('order_key')], shop.order_points)

    def buy(total):
        cid = Customer.objects.get(pk=shop.cid)
        before = cid.member.points
        Order.objects.create(order_id=5, customer=cid, ordered_at=datetime(2024, 1, 1, tzinfo=timezone.utc), total=total)
        cid.member.refresh_from_db()
        return before, cid.member.points
    check('%s: points of an order within its transaction' % shop.club, undone(lambda: buy(Decimal('50.25'))),
          (Decimal(0), Decimal('50.25')))

    def not_a_number():  # Django itself refuses Decimal('NaN')
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO {0.schema}.orders VALUES (5, %s, now(), 'NaN')".format(shop), [shop.cid])
    check_sqlstate('%s: an order that is not a number' % shop.club, undone(not_a_number), sqlstate_of, '22003')
    check_sqlstate('%s: members are not written' % shop.club,
                   undone(lambda: Member.objects.filter(pk=shop.ann).update(points=1000)), sqlstate_of, '55000')


def row(query, *arguments):
    with connection.cursor() as cursor:
        cursor.execute(query, arguments)
        return cursor.fetchone()


def test_functions(shop, Customer):
    for key, points in ((shop.ann, shop.points), (shop.bob, BIG), (shop.cid, Decimal(0))):
        for form, argument in arguments_of(key):
            check('%s: balance of %s as %s' % (shop.club, key, form),
                  lambda: row('SELECT {0.club}.balance(%s)'.format(shop), argument)[0], points)
    check('%s: balances and tiers of the past' % shop.club,
          lambda: row('SELECT {0.club}.balance(%s, %s), {0.club}.balance(%s, %s), {0.club}.tier_at(%s, %s), {0.club}.tier_at(%s, %s)'
                      .format(shop), shop.ann, FIRST, shop.ann, SECOND, shop.ann, FIRST, shop.ann, SECOND),
          (Decimal('100.10'), Decimal('300.30'), None, 'Gold'))
    balance = Func(F('customer_id'), function=shop.club + '.balance',
                   output_field=models.DecimalField(max_digits=38, decimal_places=shop.scale))
    check('%s: customers with their balance' % shop.club,
          lambda: list(Customer.objects.annotate(balance=balance).order_by('name').values_list('balance', flat=True)),
          [shop.points, BIG, Decimal(0)])


def test_post(shop):
    def post():
        with connection.cursor() as cursor:
            cursor.execute('CALL loyalty.post(%s)', [shop.club])

    def posted():
        return row('SELECT count(*) FROM {0.club}.entries WHERE posted'.format(shop))[0]
    undone(post)()
    check('%s: posting in a transaction ends with it' % shop.club, posted, 0)
    check('%s: posting outside of one' % shop.club, lambda: (post(), posted())[1], 4)
    check('%s: nothing is wrong' % shop.club, lambda: row('SELECT * FROM loyalty.verify(%s)', shop.club), None)


for each in SHOPS:
    classes = map_shop(each)
    test_inspectdb(each)
    test_mapping(each, *classes)
    test_functions(each, classes[0])
    test_post(each)
check_sqlstate('a program that is not there', lambda: row("CALL loyalty.post('nowhere')"), sqlstate_of, '42704')
done()
