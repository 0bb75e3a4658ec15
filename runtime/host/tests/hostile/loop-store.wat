;; begin store
(if (i64.gt_u (global.get $stores) (i64.const 25000)) (then (loop $again (br $again))))
;; end store
