;; begin describe
(loop $again (br $again))
;; end describe
