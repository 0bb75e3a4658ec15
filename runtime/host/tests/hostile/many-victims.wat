;; begin store
(if (i64.gt_u (global.get $stores) (i64.const 25000))
  (then (i32.store (i32.const 1056) (i32.const 1025))))
;; end store
