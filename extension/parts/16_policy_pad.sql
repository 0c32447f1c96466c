-- ---------------------------------------------------------------------------
-- Times at which answers leave
-- ---------------------------------------------------------------------------

CREATE FUNCTION dp._pad_ms(span interval, what text) RETURNS integer
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	ms numeric := extract(epoch FROM span) * 1000;
BEGIN
	IF span IS NULL OR ms NOT BETWEEN 10 AND 86400000 OR ms <> trunc(ms) THEN
		RAISE EXCEPTION '% must be a whole number of milliseconds, from 10 to one day', what USING ERRCODE = 'PV010';
	END IF;
	RETURN ms;
END
$$;
COMMENT ON FUNCTION dp._pad_ms(interval, text) IS 'internal: an interval in milliseconds';

CREATE FUNCTION dp.set_pad(dataset text, quantum interval, deadline interval DEFAULT NULL) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	caller text := dp._begin_change(NULL);
	target integer := dp._dataset_id(dataset);
	new_quantum integer := dp._pad_ms(quantum, 'quantum');
	new_deadline integer := dp._pad_ms(coalesce(deadline, quantum * 4), 'deadline');
	old record;
BEGIN
	IF new_deadline % new_quantum <> 0 OR new_deadline / new_quantum NOT BETWEEN 1 AND 64 THEN
		RAISE EXCEPTION 'deadline must be a multiple of quantum, and at most 64 times as long'
			USING ERRCODE = 'PV010', DETAIL = 'An answer may leave at each multiple: each says a little of how long the work took.';
	END IF;
	SELECT p.quantum_ms, p.deadline_ms INTO old FROM dp_book.pad p WHERE p.dataset_id = target AND p.valid_to IS NULL;
	IF old.quantum_ms > new_quantum OR old.deadline_ms / old.quantum_ms < new_deadline / new_quantum THEN
		RAISE EXCEPTION 'the times at which answers leave are a promise that can only be tightened'
			USING ERRCODE = 'PV010',
				  DETAIL = format('The quantum is %s ms, with %s of them up to the deadline.', old.quantum_ms, old.deadline_ms / old.quantum_ms),
				  HINT = 'Give a quantum that is no shorter, and no more of them up to the deadline.';
	END IF;
	UPDATE dp_book.pad p SET valid_to = clock_timestamp(), ended_by = caller
	WHERE p.dataset_id = target AND p.valid_to IS NULL;
	INSERT INTO dp_book.pad (dataset_id, quantum_ms, deadline_ms, valid_from, set_by)
	VALUES (target, new_quantum, new_deadline, clock_timestamp(), caller);
	PERFORM dp._policy_changed(NULL);
END
$$;
COMMENT ON FUNCTION dp.set_pad(text, interval, interval) IS
	'lets answers and errors about a data set''s rows leave at multiples of a quantum only, up to a deadline (default: four quanta), at which the answer is withheld; can be tightened, never undone';

CREATE FUNCTION dp._pads() RETURNS TABLE (dataset text, quantum interval, deadline interval, since timestamptz, set_by text)
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF dp._book_exists() THEN
		RETURN QUERY
		SELECT d.name, p.quantum_ms * interval '1 ms', p.deadline_ms * interval '1 ms', p.valid_from, p.set_by
		FROM dp_book.pad p JOIN dp_book.dataset d USING (dataset_id)
		WHERE p.valid_to IS NULL
		ORDER BY d.dataset_id;
	END IF;
END
$$;
COMMENT ON FUNCTION dp._pads() IS 'internal: rows of view dp.pads';

CREATE VIEW dp.pads AS SELECT * FROM dp._pads();
COMMENT ON VIEW dp.pads IS 'data sets whose answers leave at public times, by dp.set_pad';

REVOKE ALL ON FUNCTION dp._pad_ms(interval, text), dp.set_pad(text, interval, interval), dp._pads() FROM PUBLIC;
REVOKE ALL ON dp.pads FROM PUBLIC;
GRANT EXECUTE ON FUNCTION dp.set_pad(text, interval, interval) TO dp_steward;
GRANT EXECUTE ON FUNCTION dp._pads() TO dp_steward, dp_auditor;
GRANT SELECT ON dp.pads TO dp_steward, dp_auditor;
