// A program through node-postgres.  docs/clients.md has the recipes.
'use strict'

const { Client, types } = require('pg')

// As setup.sql makes it.  Numbers are text, with all decimals that their columns declare.
function shop (kind, ann, bob, cid, scale, points, third) {
  const zeros = '0'.repeat(scale - 2)
  return {
    kind, ann, bob, cid, scale, points, schema: 'shop_' + kind, club: 'club_' + kind,
    members: [
      [ann, { tier: 'Gold', points, lifetime_value: '310.31', orders: '3', average_order: '103.44' }],
      [bob, { tier: 'Gold', points: '90071992547409.93' + zeros, lifetime_value: '90071992547409.93', orders: '1', average_order: '90071992547409.93' }],
      [cid, { tier: null, points: '0.00' + zeros, lifetime_value: '0.00', orders: '0', average_order: null }]
    ],
    orderPoints: [['1', '100.10' + zeros], ['2', '200.20' + zeros], ['3', third]]
  }
}
const uuid = (number) => '00000000-0000-4000-8000-00000000000' + number
const SHOPS = [
  shop('int', 1, 2, 3, 2, '315.31', '15.01'),
  shop('bigint', 1n, 9007199254740993n, 3n, 2, '315.31', '15.01'), // a number of JavaScript cannot hold the second
  shop('text', 'ann@example.com', "O'Neill %s $1 ?", '3', 3, '315.315', '15.015'),
  shop('uuid', uuid(1), uuid(2), uuid(3), 2, '315.31', '15.01')
]
const FIRST = new Date('2021-01-01T00:00:00Z')
const SECOND = new Date('2022-01-01T00:00:00Z')

let number = 0
function tell (name, passed, detail) {
  number++
  console.log(`${passed ? 'ok' : 'not ok'} ${number} - ${name}`)
  if (!passed) console.log('#   ' + detail.replace(/\n/g, '\n#   '))
}

// One test: what is read, or the error.
async function check (name, read, expected) {
  try {
    const found = JSON.stringify(await read())
    tell(name, found === JSON.stringify(expected), `expected ${JSON.stringify(expected)}, found ${found}`)
  } catch (error) {
    tell(name, false, String(error))
  }
}

async function checkSqlstate (name, act, expected) {
  try {
    await act()
    tell(name, false, `expected ${expected}, but there was no error`)
  } catch (error) {
    tell(name, error.code === expected, `expected ${expected}, found ${error.code}: ${error}`)
  }
}

let client
const rows = async (text, ...values) => (await client.query(text, values)).rows
const values = async (text, ...values) => (await client.query({ text, values, rowMode: 'array' })).rows

const MEMBER = 'SELECT tier, points, lifetime_value, orders, average_order FROM %.members WHERE customer_id '
const memberQuery = (shop, condition) => MEMBER.replace('%', shop.club) + condition

async function testMembers (shop) {
  for (const [key, expected] of shop.members) {
    await check(`${shop.club}: the member ${key}`, () => rows(memberQuery(shop, '= $1'), key), [expected])
  }
  const two = [shop.members[0][1], shop.members[2][1]]
  await check(`${shop.club}: members of a list`,
    () => rows(memberQuery(shop, 'IN ($1, $2) ORDER BY orders DESC'), shop.ann, shop.cid), two)
  await check(`${shop.club}: members of an array`,
    () => rows(memberQuery(shop, '= ANY ($1) ORDER BY orders DESC'), [shop.ann, shop.cid]), two)
  await check(`${shop.club}: precision and scale`, async () => {
    const result = await client.query(memberQuery(shop, 'IS NULL'))
    return ['points', 'lifetime_value', 'average_order'].map((name) => {
      const modifier = result.fields.find((field) => field.name === name).dataTypeModifier - 4
      return [modifier >> 16, modifier & 0x7ff]
    })
  }, [[38, shop.scale], [38, 2], [38, 2]])
}

// All that a program in JavaScript may hold a key in.
function argumentsOf (key) {
  if (typeof key === 'string') return [key]
  const forms = [BigInt(key), String(key)]
  return Number.isSafeInteger(Number(key)) ? forms.concat(Number(key)) : forms
}

async function testFunctions (shop) {
  const points = [shop.points, '90071992547409.93', '0']
  for (const [index, key] of [shop.ann, shop.bob, shop.cid].entries()) {
    for (const argument of argumentsOf(key)) {
      await check(`${shop.club}: balance of ${key} as ${typeof argument}`,
        () => values(`SELECT trim_scale(${shop.club}.balance($1))`, argument), [[points[index]]])
    }
  }
  const { club, ann } = shop
  await check(`${club}: balances and tiers of the past`,
    () => values(`SELECT round(${club}.balance($1, $2), 2), round(${club}.balance($1, $3), 2), ${club}.tier_at($1, $2), ${club}.tier_at($1, $3)`,
      ann, FIRST, SECOND), [['100.10', '300.30', null, 'Gold']])
  await check(`${club}: a bigint as BigInt, if it is asked for`, async () => {
    const parsers = { getTypeParser: (type, format) => type === 20 ? BigInt : types.getTypeParser(type, format) }
    const result = await client.query({ text: `SELECT orders FROM ${club}.members WHERE customer_id = $1`, values: [ann], types: parsers })
    return result.rows[0].orders === 3n
  }, true)
  await check(`${club}: nobody has no balance`,
    () => values(`SELECT ${club}.balance($1), ${club}.tier_at($1)`, null), [[null, null]])
  await check(`${club}: the same prepared statement twenty times`, async () => {
    const found = []
    for (let i = 0; i < 20; i++) {
      const query = { name: `balance_${club}`, text: `SELECT trim_scale(${club}.balance($1)) AS balance`, values: [i % 2 ? shop.bob : ann] }
      found.push((await client.query(query)).rows[0].balance)
    }
    return found
  }, Array.from({ length: 20 }, (_, i) => points[i % 2]))
}

// What act() returns, undone.
async function rolledBack (act) {
  await client.query('BEGIN')
  try {
    return await act()
  } finally {
    await client.query('ROLLBACK')
  }
}

async function testOrders (shop) {
  await check(`${shop.club}: orders with their points`,
    () => values(`SELECT o.order_id, p.points FROM ${shop.schema}.orders o JOIN ${shop.club}.order_points p
                      ON p.customer_id = o.customer_id AND p.order_key = o.order_id::text
                   WHERE p.tracked_table = 1 AND o.customer_id = $1 ORDER BY 1`, shop.ann), shop.orderPoints)
  const buy = async (total) => {
    await client.query(`INSERT INTO ${shop.schema}.orders VALUES ($1, $2, $3, $4)`, [5, shop.cid, new Date('2024-01-01T00:00:00Z'), total])
    return values(`SELECT round(${shop.club}.balance($1), 2)`, shop.cid)
  }
  await check(`${shop.club}: points of an order within its transaction`, () => rolledBack(() => buy('50.25')), [['50.25']])
  await checkSqlstate(`${shop.club}: an order that is not a number`, () => rolledBack(() => buy(NaN)), '22003')
  await checkSqlstate(`${shop.club}: a right that is not there`, () => client.query(`DELETE FROM ${shop.club}.account`), '42501')
}

async function testPost (shop) {
  const post = () => client.query('CALL loyalty.post($1)', [shop.club])
  const posted = () => values(`SELECT count(*) FROM ${shop.club}.entries WHERE posted`)
  await rolledBack(post)
  await check(`${shop.club}: posting in a transaction ends with it`, posted, [['0']])
  await post()
  await check(`${shop.club}: posting outside of one`, posted, [['4']])
  await testMembers(shop)
  await check(`${shop.club}: nothing is wrong`, () => rows('SELECT * FROM loyalty.verify($1)', shop.club), [])
}

async function main () {
  client = new Client() // where is in the variables of libpq
  await client.connect()
  for (const shop of SHOPS) {
    await testMembers(shop)
    await testFunctions(shop)
    await testOrders(shop)
    await testPost(shop)
  }
  await checkSqlstate('a program that is not there', () => client.query("CALL loyalty.post('nowhere')"), '42704')
  await client.end()
  console.log('done')
}

main().catch((error) => {
  console.log(error)
  process.exitCode = 1
})
