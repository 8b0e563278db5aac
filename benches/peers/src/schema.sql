-- What is kept, and the two functions that decide. Amounts in cents, instants in microseconds, days since 1970.
CREATE TABLE merchants (merchant text PRIMARY KEY, guarantee bigint NOT NULL, profit bigint NOT NULL);

-- Totals and pending profit by day of completion; what is quick settles two days later, the rest seven. Room for updates in place.
CREATE TABLE days (
    merchant text, day int, total bigint NOT NULL, quick bigint NOT NULL, standard bigint NOT NULL,
    PRIMARY KEY (merchant, day)
) WITH (fillfactor = 50);

CREATE TABLE orders (
    merchant text, id text, price bigint NOT NULL, profit bigint NOT NULL, completed_at bigint NOT NULL,
    cycle smallint NOT NULL, settles int NOT NULL,
    PRIMARY KEY (merchant, id)
);

CREATE FUNCTION quota(guarantee bigint, profit bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT guarantee * CASE WHEN profit > 3000000 THEN 10 WHEN profit > 500000 THEN 5 WHEN profit > 100000 THEN 3 ELSE 1 END
$$;

-- One order: cycle 2 or 7, or 0 where it is known with other content. Two at once with the same id: one fails and is to be repeated.
CREATE FUNCTION classify(
    a_merchant text, an_id text, a_price bigint, a_profit bigint, a_completed_at bigint,
    OUT a_cycle smallint, OUT a_settles int, OUT replayed boolean
) LANGUAGE plpgsql AS $$
DECLARE
    known orders;
    a_day int := a_completed_at / 86400000000;
    a_quota bigint;
    a_total bigint;
    age bigint;
BEGIN
    SELECT * INTO known FROM orders WHERE merchant = a_merchant AND id = an_id;
    IF FOUND THEN
        replayed := true;
        a_settles := known.settles;
        a_cycle := CASE WHEN known.price = a_price AND known.profit = a_profit AND known.completed_at = a_completed_at
            THEN known.cycle ELSE 0 END;
        RETURN;
    END IF;
    age := extract(epoch FROM now()) * 1000000 - a_completed_at;
    IF age > 86400000000 OR age < -5000000 THEN RAISE 'completed_at out of bounds'; END IF;
    SELECT quota(guarantee, profit) INTO a_quota FROM merchants WHERE merchant = a_merchant;
    IF NOT FOUND THEN
        INSERT INTO merchants VALUES (a_merchant, 0, 0) ON CONFLICT DO NOTHING;
        a_quota := 0;
    END IF;
    -- Locks the day, adds to it and tells what it came to, in one.
    INSERT INTO days AS d VALUES (a_merchant, a_day, a_price,
            CASE WHEN a_price <= a_quota THEN a_profit ELSE 0 END, CASE WHEN a_price <= a_quota THEN 0 ELSE a_profit END)
        ON CONFLICT (merchant, day) DO UPDATE SET
            total = d.total + a_price,
            quick = d.quick + CASE WHEN d.total + a_price <= a_quota THEN a_profit ELSE 0 END,
            standard = d.standard + CASE WHEN d.total + a_price <= a_quota THEN 0 ELSE a_profit END
        RETURNING total INTO a_total;
    a_cycle := CASE WHEN a_total <= a_quota THEN 2 ELSE 7 END;
    a_settles := a_day + a_cycle;
    replayed := false;
    INSERT INTO orders VALUES (a_merchant, an_id, a_price, a_profit, a_completed_at, a_cycle, a_settles);
END $$;

-- Many orders, as sets: lock the days in one order, look up, decide by running totals, write.
CREATE FUNCTION classify_many(
    merchants_ text[], ids text[], prices bigint[], profits bigint[], completed bigint[]
) RETURNS TABLE (a_cycle smallint, a_settles int, replayed boolean) LANGUAGE plpgsql AS $$
DECLARE
    now_ bigint := extract(epoch FROM now()) * 1000000;
BEGIN
    IF EXISTS (SELECT FROM unnest(merchants_, ids, completed) AS o (m, i, c) WHERE (c < now_ - 86400000000 OR c > now_ + 5000000)
            AND NOT EXISTS (SELECT FROM orders known WHERE known.merchant = m AND known.id = i)) THEN
        RAISE 'completed_at out of bounds';
    END IF;
    INSERT INTO merchants SELECT DISTINCT m, 0, 0 FROM unnest(merchants_) m
        WHERE NOT EXISTS (SELECT FROM merchants known WHERE known.merchant = m) ON CONFLICT DO NOTHING;
    INSERT INTO days SELECT DISTINCT m, (c / 86400000000)::int, 0, 0, 0 FROM unnest(merchants_, completed) AS o (m, c)
        WHERE NOT EXISTS (SELECT FROM days known WHERE known.merchant = m AND known.day = (c / 86400000000)::int)
        ORDER BY 1, 2 ON CONFLICT DO NOTHING;
    PERFORM FROM (SELECT DISTINCT m, (c / 86400000000)::int AS day FROM unnest(merchants_, completed) AS o (m, c)) o
        JOIN days d ON d.merchant = o.m AND d.day = o.day
        ORDER BY d.merchant, d.day FOR UPDATE OF d;
    -- A statement of its own: it sees what others had written before the locks were had.
    RETURN QUERY
    WITH given AS (
        SELECT n, m, i, p, f, c, d.day, d.total AS before, quota(a.guarantee, a.profit) AS quota,
            row_number() OVER (PARTITION BY m, i ORDER BY n) AS nth, k.price, k.profit, k.completed_at, k.cycle AS known, k.settles
        FROM unnest(merchants_, ids, prices, profits, completed) WITH ORDINALITY AS o (m, i, p, f, c, n)
        JOIN merchants a ON a.merchant = m
        JOIN days d ON d.merchant = m AND d.day = (c / 86400000000)::int
        LEFT JOIN orders k ON k.merchant = m AND k.id = i
    ), decided AS MATERIALIZED (
        SELECT *, known IS NULL AND nth = 1 AS new,
            CASE WHEN before + sum(p) FILTER (WHERE known IS NULL AND nth = 1) OVER (PARTITION BY m, day ORDER BY n) <= quota
                THEN 2 ELSE 7 END::smallint AS cycle
        FROM given
    ), written AS (
        INSERT INTO orders SELECT m, i, p, f, c, cycle, day + cycle FROM decided WHERE new
    ), added AS (
        UPDATE days d SET total = d.total + s.total, quick = d.quick + s.quick, standard = d.standard + s.standard
        FROM (SELECT m, day, sum(p)::bigint AS total, coalesce(sum(f) FILTER (WHERE cycle = 2), 0)::bigint AS quick,
                coalesce(sum(f) FILTER (WHERE cycle = 7), 0)::bigint AS standard FROM decided WHERE new GROUP BY m, day) s
        WHERE d.merchant = s.m AND d.day = s.day
    )
    SELECT CASE
            WHEN known IS NOT NULL AND (price, profit, completed_at) = (p, f, c) THEN known
            WHEN known IS NULL AND (first_value(p) OVER same, first_value(f) OVER same, first_value(c) OVER same) = (p, f, c)
                THEN first_value(cycle) OVER same
            ELSE 0::smallint
        END, coalesce(settles, first_value(day + cycle) OVER same), NOT new
    FROM decided WINDOW same AS (PARTITION BY m, i ORDER BY n) ORDER BY n;
END $$;

-- The same, one order after the other.
CREATE FUNCTION classify_each(
    merchants_ text[], ids text[], prices bigint[], profits bigint[], completed bigint[]
) RETURNS TABLE (a_cycle smallint, a_settles int, replayed boolean) LANGUAGE plpgsql AS $$
BEGIN
    FOR n IN 1 .. cardinality(ids) LOOP
        SELECT * INTO a_cycle, a_settles, replayed FROM classify(merchants_[n], ids[n], prices[n], profits[n], completed[n]);
        RETURN NEXT;
    END LOOP;
END $$;
