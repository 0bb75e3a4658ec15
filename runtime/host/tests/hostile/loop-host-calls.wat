;; begin store
(if (i64.gt_u (global.get $stores) (i64.const 25000))
  (then (loop $again (call $count (i32.const 0) (i64.const 1)) (br $again))))
;; end store
