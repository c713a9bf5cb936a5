-- The Complete Journey: 2,469 households of a grocery chain, what they bought in 2017, and the campaigns sent to them.
-- Tables, columns, NOT NULL and CHECKs. Keys and indexes are in constraints.sql, run after the rows are in.
-- Every CHECK was counted on the data: no row breaks it. Where a rule nearly holds, a comment says so instead.

CREATE TABLE household (
    household_id integer NOT NULL
);
COMMENT ON TABLE household IS 'A household with a loyalty card';

CREATE TABLE demographics (
    household_id   integer     NOT NULL,
    age            varchar(5)  NOT NULL CHECK (age IN ('19-24', '25-34', '35-44', '45-54', '55-64', '65+')),
    income         varchar(9)  NOT NULL CHECK (income IN ('Under 15K', '15-24K', '25-34K', '35-49K', '50-74K', '75-99K',
                                   '100-124K', '125-149K', '150-174K', '175-199K', '200-249K', '250K+')),
    home_ownership varchar(18) CHECK (home_ownership IN ('Homeowner', 'Renter', 'Probable Homeowner', 'Probable Renter')),
    marital_status varchar(9)  CHECK (marital_status IN ('Married', 'Unmarried')),
    household_size varchar(2)  NOT NULL CHECK (household_size IN ('1', '2', '3', '4', '5+')),
    household_comp varchar(16) NOT NULL CHECK (household_comp IN ('1 Adult No Kids', '1 Adult Kids', '2 Adults No Kids',
                                   '2 Adults Kids')),
    kids_count     varchar(2)  NOT NULL CHECK (kids_count IN ('0', '1', '2', '3+')),
    CONSTRAINT demographics_kids_check CHECK ((kids_count = '0') = (household_comp LIKE '%No Kids'))
);
COMMENT ON TABLE demographics IS 'What is known about a household: for 801 of them, one row each';
COMMENT ON COLUMN demographics.age IS 'Age of the head of the household, years';
COMMENT ON COLUMN demographics.income IS 'Yearly income, US dollars';

CREATE TABLE store (
    store_id integer NOT NULL
);
COMMENT ON TABLE store IS 'A store in which a household bought something';

CREATE TABLE product (
    product_id       integer NOT NULL,
    manufacturer_id  smallint,
    department       varchar(16),
    brand            varchar(8) CHECK (brand IN ('National', 'Private')),
    product_category varchar(30),
    product_type     varchar(30),
    package_size     varchar(13)
);
COMMENT ON TABLE product IS 'A product; all attributes are unknown for those that only other tables name';
COMMENT ON COLUMN product.brand IS 'Private is the chain''s own label';
COMMENT ON COLUMN product.package_size IS 'As printed: 22 LB, 50 OZ, 4PK';

CREATE TABLE campaign (
    campaign_id   smallint   NOT NULL,
    campaign_type varchar(6) NOT NULL CHECK (campaign_type IN ('Type A', 'Type B', 'Type C')),
    start_date    date       NOT NULL,
    end_date      date       NOT NULL,
    CONSTRAINT campaign_dates_check CHECK (end_date > start_date)
);
COMMENT ON TABLE campaign IS 'A mailing of coupons';
COMMENT ON COLUMN campaign.campaign_type IS 'Type A sends each household coupons picked for it; B and C send all coupons to all';

CREATE TABLE campaign_household (
    campaign_id  smallint NOT NULL,
    household_id integer  NOT NULL
);
COMMENT ON TABLE campaign_household IS 'Which households a campaign was sent to';

CREATE TABLE coupon (
    coupon_upc  bigint   NOT NULL,
    campaign_id smallint NOT NULL
);
COMMENT ON TABLE coupon IS 'A coupon in a campaign; a UPC may come back in another campaign';

CREATE TABLE coupon_product (
    coupon_upc  bigint   NOT NULL,
    campaign_id smallint NOT NULL,
    product_id  integer  NOT NULL
);
COMMENT ON TABLE coupon_product IS 'Which products a coupon is good for';

CREATE TABLE coupon_redemption (
    household_id    integer  NOT NULL,
    coupon_upc      bigint   NOT NULL,
    campaign_id     smallint NOT NULL,
    redemption_date date     NOT NULL
);
COMMENT ON TABLE coupon_redemption IS 'A coupon handed in by a household that the campaign was sent to';
COMMENT ON COLUMN coupon_redemption.redemption_date IS 'Always within the campaign''s dates';

CREATE TABLE basket (
    basket_id        bigint    NOT NULL,
    household_id     integer   NOT NULL,
    store_id         integer   NOT NULL,
    transaction_time timestamp NOT NULL,
    week             smallint  NOT NULL CHECK (week BETWEEN 1 AND 53)
);
COMMENT ON TABLE basket IS 'One visit of a household to a till';
COMMENT ON COLUMN basket.transaction_time IS 'As in the source: no time zone is given';
COMMENT ON COLUMN basket.week IS 'Week of the study; a new one starts early on Monday, so week 1 is little more than 1 January 2017';

CREATE TABLE transaction_line (
    basket_id         bigint        NOT NULL,
    product_id        integer       NOT NULL,
    quantity          integer       NOT NULL CHECK (quantity >= 0),
    sales_value       numeric(10,2) NOT NULL CHECK (sales_value >= 0),
    retail_disc       numeric(10,2) NOT NULL CHECK (retail_disc >= 0),
    coupon_disc       numeric(10,2) NOT NULL CHECK (coupon_disc >= 0),
    coupon_match_disc numeric(10,2) NOT NULL CHECK (coupon_match_disc >= 0)
);
COMMENT ON TABLE transaction_line IS 'A product in a basket';
COMMENT ON COLUMN transaction_line.quantity IS 'Pieces; for fuel a volume in small units, hence up to 89,638';
COMMENT ON COLUMN transaction_line.sales_value IS 'What the store received, US dollars';
COMMENT ON COLUMN transaction_line.retail_disc IS 'Discount of the loyalty card, US dollars';
COMMENT ON COLUMN transaction_line.coupon_disc IS 'Discount of the manufacturer''s coupon, US dollars';
COMMENT ON COLUMN transaction_line.coupon_match_disc IS 'What the store added to it, US dollars: at most as much, save in 4 lines';

CREATE TABLE promotion (
    product_id       integer    NOT NULL,
    store_id         integer    NOT NULL,
    week             smallint   NOT NULL CHECK (week BETWEEN 1 AND 53),
    display_location varchar(1) NOT NULL CHECK (display_location IN ('0', '1', '2', '3', '4', '5', '6', '7', '9', 'A')),
    mailer_location  varchar(1) NOT NULL CHECK (mailer_location IN ('0', 'A', 'C', 'D', 'F', 'H', 'J', 'L', 'P', 'X', 'Z')),
    CONSTRAINT promotion_somewhere_check CHECK (display_location <> '0' OR mailer_location <> '0')
);
COMMENT ON TABLE promotion IS 'A product displayed in a store, or named in its mailer, in a week';
COMMENT ON COLUMN promotion.display_location IS '0 not displayed; 1 store front, 2 store rear, 3 front end cap, 4 mid-aisle end cap, 5 rear end cap, 6 side-aisle end cap, 7 in-aisle, 9 secondary location, A in-shelf';
COMMENT ON COLUMN promotion.mailer_location IS '0 not in the mailer; A interior page feature, C interior page line item, D front page feature, F back page feature, H wrap front feature, J wrap interior coupon, L wrap back feature, P interior page coupon, X free on interior page, Z free on front page, back page or wrap';
