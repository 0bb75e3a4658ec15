;; begin store
(if (i64.ge_u (local.get $id) (i64.const 1000000))
  (then (if (i64.eq (i64.rem_u (local.get $id) (i64.const 100)) (i64.const 7)) (then unreachable))))
;; end store
