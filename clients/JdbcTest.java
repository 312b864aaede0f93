// A program through JDBC.  docs/clients.md has the recipes.
//
//   java -cp /usr/share/java/postgresql.jar JdbcTest.java

import java.math.BigDecimal;
import java.sql.*;
import java.time.OffsetDateTime;
import java.util.*;
import java.util.concurrent.Callable;

public class JdbcTest {
	// As setup.sql makes it.  Members are what their columns show, with all decimals.
	record Shop(String kind, String arrayType, int nullType, Object ann, Object bob, Object cid, int scale, String points, String third) {
		String schema() { return "shop_" + kind; }
		String club() { return "club_" + kind; }
		List<Object> keys() { return List.of(ann, bob, cid); }
		String zeros() { return "0".repeat(scale - 2); }
		Map<Object, String> members() {
			return Map.of(ann, "Gold " + points + " 310.31 3 103.44",
				bob, "Gold 90071992547409.93" + zeros() + " 90071992547409.93 1 90071992547409.93",
				cid, "null 0.00" + zeros() + " 0.00 0 null");
		}
	}
	static final Shop[] SHOPS = {
		new Shop("int", "int4", Types.INTEGER, 1, 2, 3, 2, "315.31", "15.01"),
		new Shop("bigint", "int8", Types.BIGINT, 1L, 9007199254740993L, 3L, 2, "315.31", "15.01"),
		new Shop("text", "text", Types.VARCHAR, "ann@example.com", "O'Neill %s $1 ?", "3", 3, "315.315", "15.015"),
		new Shop("uuid", "uuid", Types.OTHER, new UUID(0x4000L, 0x8000000000000001L), new UUID(0x4000L, 0x8000000000000002L),
			new UUID(0x4000L, 0x8000000000000003L), 2, "315.31", "15.01"),
	};
	static final BigDecimal BIG = new BigDecimal("90071992547409.93");
	static final OffsetDateTime FIRST = OffsetDateTime.parse("2021-01-01T00:00:00Z");
	static final OffsetDateTime SECOND = OffsetDateTime.parse("2022-01-01T00:00:00Z");

	static int number = 0;

	static void tell(String name, boolean passed, String detail) {
		number++;
		System.out.println((passed ? "ok " : "not ok ") + number + " - " + name);
		if (!passed) {
			System.out.println("#   " + detail.replace("\n", "\n#   "));
		}
	}

	// One test: what is read, or the exception.  A BigDecimal is compared by its value.
	static void check(String name, Callable<?> read, Object expected) {
		try {
			Object found = read.call();
			boolean same = found instanceof BigDecimal a && expected instanceof BigDecimal b ? a.compareTo(b) == 0
				: Objects.equals(found, expected);
			tell(name, same, "expected " + expected + ", found " + found);
		} catch (Exception error) {
			tell(name, false, error.toString());
		}
	}

	static void checkSqlstate(String name, Callable<?> act, String expected) throws Exception {
		try {
			act.call();
			tell(name, false, "expected " + expected + ", but there was no error");
		} catch (SQLException error) {
			tell(name, expected.equals(error.getSQLState()), "expected " + expected + ", found " + error.getSQLState() + ": " + error.getMessage());
		}
	}

	static Connection connect(String... options) throws SQLException {
		var properties = new Properties();
		properties.setProperty("user", System.getenv("PGUSER"));
		properties.setProperty("password", System.getenv("PGPASSWORD"));
		for (int i = 0; i < options.length; i += 2) {
			properties.setProperty(options[i], options[i + 1]);
		}
		return DriverManager.getConnection("jdbc:postgresql://" + System.getenv("PGHOST") + ":" + System.getenv("PGPORT") + "/"
			+ System.getenv("PGDATABASE"), properties);
	}

	// Sets a parameter by the method for its type.
	static void set(PreparedStatement statement, int index, Object value) throws SQLException {
		if (value instanceof Integer i) {
			statement.setInt(index, i);
		} else if (value instanceof Long l) {
			statement.setLong(index, l);
		} else if (value instanceof String s) {
			statement.setString(index, s);
		} else if (value instanceof BigDecimal d) {
			statement.setBigDecimal(index, d);
		} else if (value instanceof Double d) {
			statement.setDouble(index, d);
		} else {
			statement.setObject(index, value);		// UUID, OffsetDateTime, Array
		}
	}

	// Rows as text, as getString() gives them.
	static List<String> rows(Connection connection, String query, Object... arguments) throws SQLException {
		try (var statement = connection.prepareStatement(query)) {
			for (int i = 0; i < arguments.length; i++) {
				set(statement, i + 1, arguments[i]);
			}
			var found = new ArrayList<String>();
			try (var result = statement.executeQuery()) {
				while (result.next()) {
					var columns = new StringJoiner(" ");
					for (int i = 1; i <= result.getMetaData().getColumnCount(); i++) {
						columns.add(result.getString(i));
					}
					found.add(columns.toString());
				}
			}
			return found;
		}
	}

	static BigDecimal balance(Connection connection, Shop shop, Object key) throws SQLException {
		try (var statement = connection.prepareStatement("SELECT " + shop.club() + ".balance(?)")) {
			set(statement, 1, key);
			try (var result = statement.executeQuery()) {
				result.next();
				return result.getBigDecimal(1);
			}
		}
	}

	static final String MEMBER = "SELECT tier, points, lifetime_value, orders, average_order FROM %s.members WHERE customer_id ";

	static void testMembers(Connection connection, Shop shop) {
		for (var key : shop.keys()) {
			check(shop.club() + ": the member " + key,
				() -> rows(connection, MEMBER.formatted(shop.club()) + "= ?", key), List.of(shop.members().get(key)));
		}
		var two = List.of(shop.members().get(shop.ann()), shop.members().get(shop.cid()));
		check(shop.club() + ": members of a list",
			() -> rows(connection, MEMBER.formatted(shop.club()) + "IN (?, ?) ORDER BY orders DESC", shop.ann(), shop.cid()), two);
		check(shop.club() + ": members of an array",
			() -> rows(connection, MEMBER.formatted(shop.club()) + "= ANY (?) ORDER BY orders DESC",
				connection.createArrayOf(shop.arrayType(), new Object[] { shop.ann(), shop.cid() })), two);
	}

	static void testMetadata(Connection connection, Shop shop) {
		var expected = List.of("points 38 " + shop.scale(), "lifetime_value 38 2", "average_order 38 2");
		check(shop.club() + ": precision and scale of a result", () -> {
			var found = new ArrayList<String>();
			try (var statement = connection.createStatement();
				 var result = statement.executeQuery("SELECT points, lifetime_value, average_order FROM " + shop.club() + ".members")) {
				var columns = result.getMetaData();
				for (int i = 1; i <= columns.getColumnCount(); i++) {
					found.add(columns.getColumnName(i) + " " + columns.getPrecision(i) + " " + columns.getScale(i));
				}
			}
			return found;
		}, expected);
		check(shop.club() + ": precision and scale in the catalog", () -> {
			var found = new ArrayList<String>();
			for (var name : List.of("points", "lifetime_value", "average_order")) {
				try (var columns = connection.getMetaData().getColumns(null, shop.club(), "members", name)) {
					columns.next();
					found.add(name + " " + columns.getInt("COLUMN_SIZE") + " " + columns.getInt("DECIMAL_DIGITS"));
				}
			}
			return found;
		}, expected);
	}

	// All that a program in Java may hold a key in.
	static List<Object> argumentsOf(Object key) {
		if (key instanceof Number n) {
			var forms = new ArrayList<Object>(List.of(n.longValue(), BigDecimal.valueOf(n.longValue())));
			if (n.intValue() == n.longValue()) {
				forms.add(n.intValue());
			}
			return forms;
		}
		return List.of(key);
	}

	static void testFunctions(Connection connection, Connection untyped, Shop shop) throws Exception {
		var points = Map.of(shop.ann(), new BigDecimal(shop.points()), shop.bob(), BIG, shop.cid(), BigDecimal.ZERO);
		for (var key : shop.keys()) {
			for (var argument : argumentsOf(key)) {
				check(shop.club() + ": balance of " + key + " as " + argument.getClass().getSimpleName(),
					() -> balance(connection, shop, argument), points.get(key));
			}
			check(shop.club() + ": balance of " + key + " as a string that is not declared",
				() -> balance(untyped, shop, key.toString()), points.get(key));
		}
		if (!(shop.ann() instanceof String)) {
			checkSqlstate(shop.club() + ": balance of a string that is declared", () -> balance(connection, shop, shop.ann().toString()), "42883");
		}
		checkSqlstate(shop.club() + ": balance of a double", () -> balance(connection, shop, 1.0), "42883");
		var club = shop.club();
		check(club + ": balances and tiers of the past", () -> rows(connection,
			"SELECT round(%s.balance(?, ?), 2), round(%s.balance(?, ?), 2), %s.tier_at(?, ?), %s.tier_at(?, ?)".formatted(club, club, club, club),
			shop.ann(), FIRST, shop.ann(), SECOND, shop.ann(), FIRST, shop.ann(), SECOND), List.of("100.10 300.30 null Gold"));
		check(club + ": nobody has no balance", () -> {
			try (var statement = connection.prepareStatement("SELECT " + club + ".balance(?)")) {
				statement.setNull(1, shop.nullType());
				var result = statement.executeQuery();
				result.next();
				return result.getBigDecimal(1);
			}
		}, null);
		// prepared at the server from the fifth time on, and perhaps with one plan for all from the tenth
		check(club + ": the same statement twenty times", () -> {
			var found = new ArrayList<BigDecimal>();
			try (var statement = connection.prepareStatement("SELECT " + club + ".balance(?)")) {
				for (int i = 0; i < 20; i++) {
					set(statement, 1, i % 2 == 0 ? shop.ann() : shop.bob());
					var result = statement.executeQuery();
					result.next();
					found.add(result.getBigDecimal(1).stripTrailingZeros());
				}
			}
			return found;
		}, Collections.nCopies(10, List.of(points.get(shop.ann()), BIG)).stream().flatMap(List::stream).toList());
	}

	// What act returns, undone.
	static <T> T rolledBack(Connection connection, Callable<T> act) throws Exception {
		connection.setAutoCommit(false);
		try {
			return act.call();
		} finally {
			connection.rollback();
			connection.setAutoCommit(true);
		}
	}

	static BigDecimal buy(Connection connection, Shop shop, String total) throws SQLException {
		try (var statement = connection.prepareStatement("INSERT INTO " + shop.schema() + ".orders VALUES (?, ?, ?, " + total + ")")) {
			statement.setLong(1, 5);
			set(statement, 2, shop.cid());
			statement.setObject(3, OffsetDateTime.parse("2024-01-01T00:00:00Z"));
			statement.executeUpdate();
		}
		return balance(connection, shop, shop.cid());
	}

	static void testOrders(Connection connection, Shop shop) throws Exception {
		check(shop.club() + ": orders with their points", () -> rows(connection,
			"SELECT o.order_id, p.points FROM " + shop.schema() + ".orders o JOIN " + shop.club() + ".order_points p"
				+ " ON p.customer_id = o.customer_id AND p.order_key = o.order_id::text"
				+ " WHERE p.tracked_table = 1 AND o.customer_id = ? ORDER BY 1", shop.ann()),
			List.of("1 100.10" + shop.zeros(), "2 200.20" + shop.zeros(), "3 " + shop.third()));
		check(shop.club() + ": points of an order within its transaction",
			() -> rolledBack(connection, () -> buy(connection, shop, "50.25")), new BigDecimal("50.25"));
		checkSqlstate(shop.club() + ": an order that is not a number",
			() -> rolledBack(connection, () -> buy(connection, shop, "'NaN'")), "22003");
		checkSqlstate(shop.club() + ": a right that is not there", () -> rolledBack(connection,
			() -> connection.createStatement().executeUpdate("DELETE FROM " + shop.club() + ".account")), "42501");
	}

	static String post(Connection connection, Shop shop) throws SQLException {
		try (var statement = connection.prepareStatement("CALL loyalty.post(?)")) {
			statement.setString(1, shop.club());
			statement.execute();
			return statement.getWarnings().getMessage();
		}
	}

	// As {call ...} is written by who asks for a CallableStatement.
	static boolean callPost(Connection connection, Shop shop) throws SQLException {
		try (var statement = connection.prepareCall("{call loyalty.post(?)}")) {
			statement.setString(1, shop.club());
			return statement.execute();
		}
	}

	static void testPost(Connection connection, Connection calling, Shop shop) throws Exception {
		Callable<?> posted = () -> rows(connection, "SELECT count(*) FROM " + shop.club() + ".entries WHERE posted");
		check(shop.club() + ": posting in a transaction", () -> rolledBack(connection, () -> post(connection, shop)), "posted 4 entries");
		check(shop.club() + ": ends with it", posted, List.of("0"));
		checkSqlstate(shop.club() + ": a call as of a function", () -> callPost(connection, shop), "42809");
		check(shop.club() + ": posting in autocommit", () -> post(connection, shop), "posted 4 entries");
		check(shop.club() + ": all is posted", posted, List.of("4"));
		check(shop.club() + ": a call as of a procedure", () -> callPost(calling, shop), false);
		testMembers(connection, shop);
		check(shop.club() + ": nothing is wrong", () -> rows(connection, "SELECT * FROM loyalty.verify(?)", shop.club()), List.of());
	}

	public static void main(String[] arguments) throws Exception {
		try (var connection = connect();
			 var untyped = connect("stringtype", "unspecified");
			 var calling = connect("escapeSyntaxCallMode", "callIfNoReturn")) {
			for (var shop : SHOPS) {
				testMembers(connection, shop);
				testMetadata(connection, shop);
				testFunctions(connection, untyped, shop);
				testOrders(connection, shop);
				testPost(connection, calling, shop);
			}
			checkSqlstate("a program that is not there", () -> connection.createStatement().execute("CALL loyalty.post('nowhere')"), "42704");
		}
		System.out.println("done");
	}
}
