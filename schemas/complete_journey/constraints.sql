-- Keys and indexes, run after the rows are in: with them in place every row costs a look-up per foreign key.
-- Tables in the order of the foreign keys. A foreign key that its table's primary key does not lead gets an index.

ALTER TABLE household ADD CONSTRAINT household_pkey PRIMARY KEY (household_id);
ALTER TABLE demographics ADD CONSTRAINT demographics_pkey PRIMARY KEY (household_id);
ALTER TABLE store ADD CONSTRAINT store_pkey PRIMARY KEY (store_id);
ALTER TABLE product ADD CONSTRAINT product_pkey PRIMARY KEY (product_id);
ALTER TABLE campaign ADD CONSTRAINT campaign_pkey PRIMARY KEY (campaign_id);
ALTER TABLE campaign_household ADD CONSTRAINT campaign_household_pkey PRIMARY KEY (campaign_id, household_id);
ALTER TABLE coupon ADD CONSTRAINT coupon_pkey PRIMARY KEY (coupon_upc, campaign_id);
ALTER TABLE coupon_product ADD CONSTRAINT coupon_product_pkey PRIMARY KEY (coupon_upc, campaign_id, product_id);
-- A household may redeem the same coupon again on another day: 27 do.
ALTER TABLE coupon_redemption ADD CONSTRAINT coupon_redemption_pkey
    PRIMARY KEY (household_id, coupon_upc, campaign_id, redemption_date);
ALTER TABLE basket ADD CONSTRAINT basket_pkey PRIMARY KEY (basket_id);
ALTER TABLE transaction_line ADD CONSTRAINT transaction_line_pkey PRIMARY KEY (basket_id, product_id);
ALTER TABLE promotion ADD CONSTRAINT promotion_pkey PRIMARY KEY (product_id, store_id, week);

CREATE INDEX campaign_household_household_id_idx ON campaign_household (household_id);
CREATE INDEX coupon_campaign_id_idx ON coupon (campaign_id);
CREATE INDEX coupon_product_product_id_idx ON coupon_product (product_id);
CREATE INDEX coupon_redemption_coupon_idx ON coupon_redemption (coupon_upc, campaign_id);
CREATE INDEX coupon_redemption_campaign_household_idx ON coupon_redemption (campaign_id, household_id);
CREATE INDEX basket_household_id_idx ON basket (household_id, transaction_time);
CREATE INDEX basket_store_id_idx ON basket (store_id);
CREATE INDEX transaction_line_product_id_idx ON transaction_line (product_id);
CREATE INDEX promotion_store_week_idx ON promotion (store_id, week);

ALTER TABLE demographics ADD CONSTRAINT demographics_household_fkey
    FOREIGN KEY (household_id) REFERENCES household (household_id);
ALTER TABLE campaign_household ADD CONSTRAINT campaign_household_campaign_fkey
    FOREIGN KEY (campaign_id) REFERENCES campaign (campaign_id);
ALTER TABLE campaign_household ADD CONSTRAINT campaign_household_household_fkey
    FOREIGN KEY (household_id) REFERENCES household (household_id);
ALTER TABLE coupon ADD CONSTRAINT coupon_campaign_fkey
    FOREIGN KEY (campaign_id) REFERENCES campaign (campaign_id);
ALTER TABLE coupon_product ADD CONSTRAINT coupon_product_coupon_fkey
    FOREIGN KEY (coupon_upc, campaign_id) REFERENCES coupon (coupon_upc, campaign_id);
ALTER TABLE coupon_product ADD CONSTRAINT coupon_product_product_fkey
    FOREIGN KEY (product_id) REFERENCES product (product_id);
-- These two share campaign_id: the coupon must be of a campaign that was sent to this very household.
ALTER TABLE coupon_redemption ADD CONSTRAINT coupon_redemption_coupon_fkey
    FOREIGN KEY (coupon_upc, campaign_id) REFERENCES coupon (coupon_upc, campaign_id);
ALTER TABLE coupon_redemption ADD CONSTRAINT coupon_redemption_campaign_household_fkey
    FOREIGN KEY (household_id, campaign_id) REFERENCES campaign_household (household_id, campaign_id);
ALTER TABLE basket ADD CONSTRAINT basket_household_fkey
    FOREIGN KEY (household_id) REFERENCES household (household_id);
ALTER TABLE basket ADD CONSTRAINT basket_store_fkey
    FOREIGN KEY (store_id) REFERENCES store (store_id);
ALTER TABLE transaction_line ADD CONSTRAINT transaction_line_basket_fkey
    FOREIGN KEY (basket_id) REFERENCES basket (basket_id);
ALTER TABLE transaction_line ADD CONSTRAINT transaction_line_product_fkey
    FOREIGN KEY (product_id) REFERENCES product (product_id);
ALTER TABLE promotion ADD CONSTRAINT promotion_product_fkey
    FOREIGN KEY (product_id) REFERENCES product (product_id);
ALTER TABLE promotion ADD CONSTRAINT promotion_store_fkey
    FOREIGN KEY (store_id) REFERENCES store (store_id);
